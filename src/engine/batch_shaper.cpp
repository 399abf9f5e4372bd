#include "engine/batch_shaper.h"

#include <algorithm>
#include <cmath>

namespace anyclaude::engine {

namespace {

constexpr int kLargeBatch = 256;       // tokens: its time is that of its tokens
constexpr int kSmallProbe = 16;        // tokens
constexpr int kProbes = 2;             // of each size; the faster one counts
constexpr std::size_t kWorthIt = 1024; // cells: below, attention costs next to nothing
constexpr double kGain = 0.9;          // of the time without padding
constexpr double kDecay = 0.99;        // of an older point's weight
constexpr double kNews = 0.2;          // weight of a later measurement

} // namespace

void BatchShaper::Line::add(double x, double y) {
  for (double* sum : {&weight_, &x_, &y_, &xx_, &xy_})
    *sum *= kDecay;
  weight_ += 1;
  x_ += x;
  y_ += y;
  xx_ += x * x;
  xy_ += x * y;
}

/// Enough points, and far enough apart for a slope.
bool BatchShaper::Line::known() const {
  constexpr double kPoints = 3.5;
  if (weight_ < kPoints)
    return false;
  const double mean = x_ / weight_;
  return xx_ / weight_ - mean * mean > static_cast<double>(kWorthIt) * kWorthIt / 16;
}

double BatchShaper::Line::slope() const {
  const double spread = weight_ * xx_ - x_ * x_;
  return spread > 0 ? std::max(0.0, (weight_ * xy_ - x_ * y_) / spread) : 0;
}

double BatchShaper::Line::at(double x) const {
  return y_ / weight_ + slope() * (x - x_ / weight_);
}

void BatchShaper::Point::take(double at, double measured) {
  if (count == 0)
    milliseconds = measured;
  else if (count < kProbes)
    milliseconds = std::min(milliseconds, measured);
  else
    milliseconds += kNews * (measured - milliseconds);
  span = at;
  ++count;
}

bool BatchShaper::ready() const {
  return prefill_.known() && small_.count >= kProbes && tile_.count >= kProbes;
}

double BatchShaper::token_cost() const {
  return std::max(0.0, prefill_.at(0));
}

/// Each token pays for itself and for the cells it looks at.
double BatchShaper::small_batch(int tokens, std::size_t span) const {
  const double attention = std::max(0.0, small_.milliseconds - token_cost()) / small_.span;
  return tokens * (token_cost() + attention * static_cast<double>(span));
}

double BatchShaper::tile(std::size_t span) const {
  return tile_.milliseconds + kTile * prefill_.slope() * (static_cast<double>(span) - tile_.span);
}

void BatchShaper::observe(int tokens, std::size_t span, double milliseconds) {
  const auto at = static_cast<double>(span);
  if (tokens >= kLargeBatch)
    prefill_.add(at, milliseconds / tokens);
  else if (span < kWorthIt)
    return;
  else if (tokens == kTile)
    tile_.take(at, milliseconds);
  else if (tokens > 1 && tokens < kTile)
    small_.take(at, milliseconds / tokens);
}

int BatchShaper::padding(int tokens, std::size_t span) const {
  if (tokens >= kTile || span < kWorthIt || !ready())
    return 0;
  return tile(span) < kGain * small_batch(tokens, span) ? kTile - tokens : 0;
}

std::optional<int> BatchShaper::wanted_probe(std::size_t span) const {
  if (span < 2 * kWorthIt || !prefill_.known())
    return std::nullopt;
  if (small_.count < kProbes)
    return kSmallProbe;
  if (tile_.count < kProbes)
    return kTile;
  return std::nullopt;
}

} // namespace anyclaude::engine
