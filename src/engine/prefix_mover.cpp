#include "engine/prefix_mover.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <ranges>
#include <sstream>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr double kShare = 0.01;         // of the computing time that copying may take
constexpr std::size_t kProbeSteps = 16; // of the pool: the least between two probes
constexpr int kReadAhead = 16;          // blocks that are read before they are wanted, of at most
constexpr std::size_t kReadAheadBytes = 128U << 20; // together
constexpr double kRateBytes = 1 << 22;              // that a kept rate counts for
constexpr double kMostCredit = 1000;                // milliseconds
constexpr std::size_t kMostKept = 64;               // prefixes that wait to be copied

} // namespace

PrefixMover::PrefixMover(Decoder& decoder, kv::BlockStore& store, MoverOptions options,
                         std::size_t cells)
    : decoder_(decoder), store_(store), options_(std::move(options)), costs_(cells / kProbeSteps) {
  read_rates();
}

/// Two lines: what TransferCosts knows, and the milliseconds of a byte that is read from the disk.
void PrefixMover::read_rates() {
  std::istringstream in(store_.rates());
  std::string costs;
  double reading = 0;
  if (std::getline(in, costs) && costs_.read(costs) && in >> reading && std::isfinite(reading) &&
      reading > 0)
    store_.expect_read_time(kRateBytes, reading * kRateBytes);
}

void PrefixMover::keep_rates() {
  if (std::exchange(has_measured_, false) && store_.has_disk())
    store_.keep_rates(std::format("{}{}\n", costs_.text(),
                                  store_.read_time(kRateBytes).value_or(0) / kRateBytes));
}

/// Reading goes on beside loading.
std::optional<double> PrefixMover::restore_time(std::span<const Piece> pieces) const {
  std::size_t bytes = 0;
  std::size_t on_disk = 0;
  for (const Piece& piece : pieces) {
    bytes += piece.bytes;
    on_disk += piece.is_in_memory ? 0 : piece.bytes;
  }
  const auto loading = costs_.import_time(bytes);
  const auto reading = store_.read_time(on_disk);
  if (!loading && !reading)
    return std::nullopt;
  return std::max(loading.value_or(0), reading.value_or(0));
}

bool PrefixMover::is_slower_than_computing(std::span<const Piece> pieces, int reused) const {
  const auto computing = costs_.compute_time(reused, pieces.back().end);
  return computing && restore_time(pieces).value_or(0) >= *computing;
}

PrefixMover::Brought PrefixMover::bring_back(const std::deque<Piece>& pieces, SequenceId sequence,
                                             std::span<const Token> tokens) {
  std::vector<kv::BlockKey> next;
  std::size_t bytes = 0;
  for (const Piece& piece : pieces | std::views::take(kReadAhead)) {
    bytes += piece.bytes;
    if (!next.empty() && bytes > kReadAheadBytes)
      break;
    next.push_back(piece.key);
  }
  store_.expect(next);
  const Piece& piece = pieces.front();
  auto [have, block] = store_.fetch(piece.key);
  if (have == kv::BlockStore::Have::coming) {
    coming_ = piece.key;
    return Brought::coming;
  }
  if (!block)
    return Brought::no;
  const double started = options_.now();
  if (!load(*block, piece, sequence, tokens))
    return Brought::no;
  costs_.imported(block->bytes(), options_.now() - started);
  has_measured_ = true;
  store_.done(std::move(block));
  return Brought::yes;
}

void PrefixMover::give_up(std::deque<Piece>& pieces) {
  for (const Piece& piece : pieces | std::views::take(kReadAhead))
    store_.forget_read(piece.key);
  pieces.clear();
}

/// Behind those that wait already.
void PrefixMover::remember(const std::string& tenant, std::span<const Token> tokens, int stable) {
  if (keeping_.size() == kMostKept) {
    lost_tokens_ += keeping_.front().tokens.size();
    keeping_.pop_front();
  }
  keeping_.push_back({tenant, {tokens.begin(), tokens.end()}, stable});
}

void PrefixMover::computed(int tokens, std::size_t span, double milliseconds) {
  costs_.computed(tokens, span, milliseconds);
  has_measured_ = true;
  const double block = block_time();
  const double most =
      answering_ && block > 0 ? block : kMostCredit; // else all at an answer's begin
  credit_ = std::min(most, credit_ + kShare * milliseconds);
  copied_ = false;
}

/// Milliseconds that copying a block is expected to take.
double PrefixMover::block_time() const {
  const auto bytes = static_cast<std::size_t>(bytes_per_token_ * store_.block_tokens());
  return costs_.export_time(bytes).value_or(0);
}

void PrefixMover::between_batches() {
  store_.computing(true);
  store_.pump();
  if (!copied_ && credit_ > 0 && credit_ >= block_time()) {
    const double started = options_.now();
    copy_next();
    credit_ -= options_.now() - started;
  }
}

bool PrefixMover::work_while_idle() {
  answering_ = false;
  store_.computing(false);
  store_.pump();
  if (copy_next())
    return true;
  keep_rates();
  return false;
}

bool PrefixMover::export_cells(SequenceId sequence, int begin, int end,
                               std::vector<std::byte>& cells) {
  const double started = options_.now();
  if (!decoder_.export_cells(sequence, begin, end, cells))
    return false;
  const double took = options_.now() - started;
  costs_.exported(cells.size(), took);
  ++copied_blocks_;
  copying_ms_ += took;
  bytes_per_token_ = static_cast<double>(cells.size()) / (end - begin);
  copied_ = true;
  return true;
}

double PrefixMover::seconds(int begin, int end) const {
  constexpr double kUnknown = 1; // milliseconds, until prompts were computed: every block alike
  return costs_.compute_time(begin, end).value_or(kUnknown) / 1000;
}

} // namespace anyclaude::engine
