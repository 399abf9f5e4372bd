#include "engine/block_mover.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr double kLongestProbe = 250;    // milliseconds that a request may have to wait for one
constexpr std::size_t kMostLeaving = 64; // prefixes, when a request comes
constexpr int kShortest = 16;            // of a block that an end of a prefix must have to be one

} // namespace

BlockMover::BlockMover(Decoder& decoder, kv::PrefixTree& tree, kv::BlockStore& store,
                       MoverOptions options)
    : PrefixMover(decoder, store, std::move(options), tree.capacity()), tree_(tree) {
  tree_.before_giving_up([this](const kv::PrefixTree::Idle& idle) { before_giving_up(idle); });
}

BlockMover::~BlockMover() {
  tree_.before_giving_up({});
}

std::deque<BlockMover::Piece> BlockMover::admit(const std::string& tenant,
                                                std::span<const Token> tokens, int reused,
                                                int stable) {
  auto pieces = store_.find(tenant, tokens);
  if (kv::is_unkept(tenant))
    if (auto kept = store_.find(kv::kept(tenant), tokens);
        !kept.empty() && (pieces.empty() || kept.back().end > pieces.back().end))
      pieces = std::move(kept);

  auto missing = std::span(pieces).subspan(static_cast<std::size_t>(
      std::ranges::upper_bound(pieces, reused, {}, &Piece::end) - pieces.begin()));
  if (!missing.empty() && is_slower_than_computing(missing, reused))
    missing = {};
  const int found = missing.empty() ? reused : missing.back().end;
  const int ahead = static_cast<int>(tokens.size()) - found;
  store_.pin(tenant, tokens.first(static_cast<std::size_t>(stable)));
  store_.count_hit(pieces, found, static_cast<int>(tokens.size()));
  const double rent = costs_.foreign_cell(TransferCosts::kTile).value_or(0);
  move_out(rent * ahead / TransferCosts::kTile, kMostLeaving);
  return {missing.begin(), missing.end()};
}

bool BlockMover::load(const kv::Block& block, const Piece& piece, SequenceId sequence,
                      std::span<const Token> tokens) {
  const int begin = tree_.length(sequence);
  if (begin >= piece.end || begin < piece.begin || !tree_.reserve(block.tokens.size()))
    return false;
  if (!decoder_.import_cells(sequence, begin, piece.end, block.begin, block.end(), block.cells,
                             block.tokens)) {
    store_.forget(piece.key);
    return false;
  }
  tree_.extend(sequence, tokens.subspan(static_cast<std::size_t>(begin),
                                        static_cast<std::size_t>(piece.end - begin)));
  return true;
}

void BlockMover::keep(const std::string& tenant, std::span<const Token> tokens, int stable) {
  std::erase_if(keeping_, [&](const Keeping& other) { // a beginning of what is kept now
    return other.tenant == tenant && other.tokens.size() <= tokens.size() &&
           std::ranges::equal(other.tokens, tokens.first(other.tokens.size()));
  });
  remember(tenant, tokens, stable);
}

void BlockMover::left(SequenceId sequence) {
  const auto index = static_cast<std::size_t>(sequence);
  if (rent_since_.size() <= index)
    rent_since_.resize(index + 1, rent_);
  rent_since_[index] = rent_;
}

void BlockMover::computed(int tokens, std::size_t span, double milliseconds) {
  PrefixMover::computed(tokens, span, milliseconds);
  rent_ += costs_.foreign_cell(tokens).value_or(0);
}

void BlockMover::between_batches() {
  PrefixMover::between_batches();
  move_out(0, 1);
}

bool BlockMover::work_while_idle() {
  return PrefixMover::work_while_idle() || measure_import() || probe();
}

/// How many leading tokens need not be copied: stored, or too few behind what is.
std::size_t BlockMover::stored(const std::string& tenant, std::span<const Token> tokens) const {
  const auto pieces = store_.find(tenant, tokens);
  const auto end = pieces.empty() ? 0 : static_cast<std::size_t>(pieces.back().end);
  return std::cmp_less(tokens.size() - end, store_.block_tokens() / kShortest) ? tokens.size()
                                                                               : end;
}

/// The prefix that ends with the first block to copy; empty when all is stored.
std::span<const Token> BlockMover::first_missing(const std::string& tenant,
                                                 std::span<const Token> tokens) const {
  const std::size_t end = stored(tenant, tokens);
  if (end == tokens.size())
    return {};
  const int whole = store_.block_tokens();
  const std::size_t begin = kv::block_begin(tokens, end, whole);
  return tokens.first(std::min(tokens.size(), kv::block_end(tokens, begin, whole)));
}

bool BlockMover::copy_next() {
  const bool may_have_to_leave = static_cast<double>(tree_.used()) >=
                                 options_.from_share * static_cast<double>(tree_.capacity());
  store_.keep_copies(may_have_to_leave);
  if (!may_have_to_leave && !store_.has_disk())
    return false;
  for (; !keeping_.empty(); keeping_.pop_front()) {
    const Keeping& next = keeping_.front();
    const auto prefix = first_missing(next.tenant, next.tokens);
    if (prefix.empty()) {
      store_.pin(next.tenant, std::span(next.tokens).first(static_cast<std::size_t>(next.stable)));
      continue;
    }
    if (!may_have_to_leave && kv::is_unkept(next.tenant))
      continue;
    const auto holder = tree_.holder(next.tenant, prefix);
    if (holder && copy_block(next.tenant, prefix, *holder))
      return true;
    lost_tokens_ += next.tokens.size() - static_cast<std::size_t>(last_block(prefix));
  }
  return false;
}

/// Stores the block at the end of `tokens`, which the sequence holds.
bool BlockMover::copy_block(const std::string& tenant, std::span<const Token> tokens,
                            SequenceId sequence) {
  const int end = static_cast<int>(tokens.size());
  const int begin = last_block(tokens);
  auto cells = store_.buffer();
  return export_cells(sequence, begin, end, cells) &&
         store_.put(tenant, tokens, std::move(cells), seconds(begin, end));
}

/// Where the last block of these tokens begins.
int BlockMover::last_block(std::span<const Token> tokens) const {
  return static_cast<int>(kv::block_begin(tokens, tokens.size() - 1, store_.block_tokens()));
}

bool BlockMover::worth_copying(int begin, int end) const {
  const auto bytes = static_cast<std::size_t>(bytes_per_token_ * (end - begin));
  const auto out = costs_.export_time(bytes);
  const auto back = costs_.import_time(bytes);
  const auto computing = costs_.compute_time(begin, end);
  return !out || !computing || *out + back.value_or(0) < *computing;
}

/// The last chance to copy what is given up. While answers are written, they wait for one block.
void BlockMover::before_giving_up(const kv::PrefixTree::Idle& idle) {
  while (!(answering_ && copied_)) {
    const auto prefix = first_missing(idle.tenant, idle.tokens);
    const int end = static_cast<int>(prefix.size());
    if (prefix.empty() || !worth_copying(last_block(prefix), end) ||
        !copy_block(idle.tenant, prefix, idle.sequence))
      return;
  }
}

/// Lets idle sequences go that have paid more rent, `ahead` of it still to come, than bringing them
/// back costs: at most so many.
void BlockMover::move_out(double ahead, std::size_t most) {
  const auto back = costs_.import_time(static_cast<std::size_t>(bytes_per_token_));
  if (!back || rent_ + ahead <= 0)
    return;
  for (const SequenceId sequence : tree_.idle_sequences()) {
    const auto index = static_cast<std::size_t>(sequence);
    if (most == 0)
      return;
    if (index >= rent_since_.size() || rent_ + ahead - rent_since_[index] <= *back)
      continue;
    --most;
    left(sequence); // whatever comes of it, it is not looked at again at once
    const auto idle = tree_.idle(sequence);
    if (stored(idle.tenant, idle.tokens) < idle.tokens.size()) {
      keep(idle.tenant, idle.tokens, 0);
      continue;
    }
    moved_out_tokens_ += idle.tokens.size() - static_cast<std::size_t>(idle.begin);
    tree_.move_out(sequence);
  }
}

/// Loads one stored block for nothing, so that it is known what loading costs before it matters.
bool BlockMover::measure_import() {
  if (costs_.import_time(1) ||
      std::cmp_less(tree_.capacity() - tree_.used(), store_.block_tokens()))
    return false;
  const kv::BlockPointer block = store_.any();
  if (!block)
    return false;
  const double started = options_.now();
  if (!decoder_.import_cells(options_.scratch, block->begin, block->end(), block->begin,
                             block->end(), block->cells, block->tokens)) {
    store_.forget(block->key);
    return true;
  }
  costs_.imported(block->cells.size(), options_.now() - started);
  decoder_.clear(options_.scratch);
  return true;
}

/// Computes throw-away tokens to see what the cells of others cost.
bool BlockMover::probe() {
  const int used = static_cast<int>(tree_.used());
  const auto size = costs_.wanted_probe(tree_.used());
  if (!size || costs_.compute_time(used, used + *size).value_or(kLongestProbe) >= kLongestProbe ||
      *size > options_.batch_tokens || std::cmp_less(tree_.capacity() - tree_.used(), *size))
    return false;
  std::vector<BatchToken> batch;
  for (int i = 0; i < *size; ++i)
    batch.push_back({0, i, options_.scratch, false});
  const double started = options_.now();
  const DecodeStatus status = decoder_.decode(batch);
  const double took = options_.now() - started;
  if (status != DecodeStatus::ok) {
    decoder_.truncate(options_.scratch, 0);
    return false;
  }
  decoder_.remove(options_.scratch, 0, *size);
  costs_.probed(*size, tree_.used(), took);
  return true;
}

} // namespace anyclaude::engine
