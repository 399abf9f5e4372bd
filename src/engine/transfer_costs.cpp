#include "engine/transfer_costs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <sstream>

namespace anyclaude::engine {

namespace {

constexpr int kLargeBatch = 64; // tokens: what prompts are computed in
constexpr double kDecay = 0.98; // of an older measurement's weight
constexpr int kRepeats = 3;     // of a probe; the fastest counts
constexpr const char* kTextFormat = "transfer-costs-1";
constexpr double kKeptWeight = 10;     // of earlier processes' batches, at most
constexpr double kKeptBytes = 1 << 22; // that an earlier process's rate counts for
constexpr double kAnew = 1.5;          // times as many cells are worth another probe

} // namespace

void TransferCosts::Rate::add(std::size_t bytes, double milliseconds) {
  bytes_ = bytes_ * kDecay + static_cast<double>(bytes);
  milliseconds_ = milliseconds_ * kDecay + milliseconds;
}

void TransferCosts::Rate::expect(double milliseconds_per_byte) {
  bytes_ = kKeptBytes;
  milliseconds_ = milliseconds_per_byte * kKeptBytes;
}

std::optional<double> TransferCosts::Rate::at(std::size_t bytes) const {
  if (bytes_ <= 0)
    return std::nullopt;
  return milliseconds_ / bytes_ * static_cast<double>(bytes);
}

void TransferCosts::Probe::Point::take(double at, double measured) {
  milliseconds = count == 0 || at != cells ? measured : std::min(milliseconds, measured);
  count = count == 0 || at != cells ? 1 : count + 1;
  cells = at;
}

bool TransferCosts::Probe::wants(double cells) const {
  if (low.count < kRepeats)
    return high.count == 0;
  const bool first = high.count == 0 && cells >= low.cells + apart;
  const bool again = high.count > 0 && high.count < kRepeats && cells == high.cells;
  const bool farther = high.count >= kRepeats && cells >= kAnew * high.cells;
  return first || again || farther;
}

void TransferCosts::Probe::take(double cells, double measured) {
  Point& point = low.count < kRepeats ? low : high;
  point.take(cells, measured);
}

std::optional<double> TransferCosts::Probe::slope() const {
  if (low.count < kRepeats || high.count < kRepeats)
    return std::nullopt;
  return std::max(0.0, (high.milliseconds - low.milliseconds) / (high.cells - low.cells));
}

void TransferCosts::computed(int tokens, std::size_t span, double milliseconds) {
  if (tokens < kLargeBatch)
    return;
  const auto x = static_cast<double>(span);
  const double y = milliseconds / tokens;
  for (double* sum : {&weight_, &x_, &y_, &xx_, &xy_})
    *sum *= kDecay;
  weight_ += 1;
  x_ += x;
  y_ += y;
  xx_ += x * x;
  xy_ += x * y;
}

void TransferCosts::probed(int tokens, std::size_t cells, double milliseconds) {
  (tokens == 1 ? one_ : tile_).take(static_cast<double>(cells), milliseconds);
}

std::optional<double> TransferCosts::compute_time(int begin, int end) const {
  if (weight_ <= 0)
    return std::nullopt;
  const double spread = weight_ * xx_ - x_ * x_;
  const double mean = x_ / weight_;
  const bool apart = spread / weight_ / weight_ > mean * mean / 100;
  const double slope = apart ? std::max(0.0, (weight_ * xy_ - x_ * y_) / spread) : 0;
  const double level = y_ / weight_;
  const double token = level + slope * ((begin + end) / 2.0 - mean);
  return (end - begin) * std::max(token, level / 10); // a line may go below nothing at its end
}

std::optional<double> TransferCosts::foreign_cell(int batch_tokens) const {
  if (batch_tokens < kTile)
    if (const auto one = one_.slope())
      return batch_tokens * *one;
  if (batch_tokens >= kTile)
    if (const auto tile = tile_.slope())
      return batch_tokens * *tile / kTile;
  return std::nullopt;
}

std::string TransferCosts::text() const {
  return std::format("{} {} {} {} {} {} {} {}\n", kTextFormat, export_.at(1).value_or(0),
                     import_.at(1).value_or(0), weight_, x_, y_, xx_, xy_);
}

bool TransferCosts::read(const std::string& text) {
  std::istringstream in(text);
  std::string format;
  std::array<double, 7> read{};
  in >> format;
  for (double& number : read)
    in >> number;
  const auto is_time = [](double number) { return std::isfinite(number) && number >= 0; };
  if (!in || format != kTextFormat || !std::ranges::all_of(read, is_time))
    return false;
  const auto& [out, back, weight, x, y, xx, xy] = read;
  if (out > 0)
    export_.expect(out);
  if (back > 0)
    import_.expect(back);
  const double scale = weight > kKeptWeight ? kKeptWeight / weight : 1;
  weight_ = weight * scale;
  x_ = x * scale;
  y_ = y * scale;
  xx_ = xx * scale;
  xy_ = xy * scale;
  return true;
}

std::optional<int> TransferCosts::wanted_probe(std::size_t cells) const {
  const auto at = static_cast<double>(cells);
  if (one_.wants(at))
    return 1;
  if (tile_.wants(at))
    return kTile;
  return std::nullopt;
}

} // namespace anyclaude::engine
