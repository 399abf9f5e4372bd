#include "engine/checkpoint_mover.h"

#include "engine/checkpoint_plan.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace anyclaude::engine {

CheckpointMover::CheckpointMover(Decoder& decoder, kv::CheckpointTree& tree, kv::BlockStore& store,
                                 MoverOptions options)
    : PrefixMover(decoder, store, std::move(options), tree.capacity()), tree_(tree) {
  store_.keep_copies(false); // the tree keeps the states
}

std::deque<CheckpointMover::Piece> CheckpointMover::admit(const std::string& tenant,
                                                          std::span<const Token> tokens, int reused,
                                                          int stable) {
  auto pieces = store_.find_checkpoint(tenant, tokens);
  if (kv::is_unkept(tenant))
    if (auto kept = store_.find_checkpoint(kv::kept(tenant), tokens);
        !kept.empty() && (pieces.empty() || kept.back().end > pieces.back().end))
      pieces = std::move(kept);
  store_.pin(tenant, tokens.first(static_cast<std::size_t>(stable)));
  if (pieces.empty() || pieces.back().end < reused)
    return {};
  const auto missing = std::span(pieces).subspan(static_cast<std::size_t>(
      std::ranges::upper_bound(pieces, reused, {}, &Piece::end) - pieces.begin()));
  if (!missing.empty() && is_slower_than_computing(missing, reused))
    return {};
  store_.count_hit(
      pieces, pieces.back().end,
      static_cast<int>(tokens.size())); // also where the model's memory has the same checkpoint
  return {missing.begin(), missing.end()};
}

bool CheckpointMover::load(const kv::Block& block, const Piece& piece, SequenceId sequence,
                           std::span<const Token> tokens) {
  const int begin = tree_.length(sequence);
  if (begin > piece.end || begin < piece.begin || !tree_.reserve(block.tokens.size()))
    return false;
  const auto missing =
      tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(piece.end - begin));
  bool taken = missing.empty() || decoder_.import_cells(sequence, begin, piece.end, block.begin,
                                                        block.end(), block.cells, block.tokens);
  if (taken)
    tree_.load(sequence, missing);
  if (taken && piece.kind == kv::NodeKind::checkpoint)
    taken = tree_.resume(sequence, block.state);
  if (!taken)
    store_.forget(piece.key);
  return taken;
}

void CheckpointMover::keep_checkpoint(const std::string& tenant, std::span<const Token> tokens) {
  if (store_.has_disk() && !kv::is_unkept(tenant))
    remember(tenant, tokens, 0);
}

bool CheckpointMover::copy_next() {
  for (; !keeping_.empty(); keeping_.pop_front()) {
    const Keeping& next = keeping_.front();
    if (is_stored(next))
      continue;
    if (copy_next_of(next))
      return true;
    const auto there = store_.checkpoints(next.tenant, next.tokens);
    lost_tokens_ +=
        next.tokens.size() - (there.empty() ? 0 : static_cast<std::size_t>(there.back().end));
  }
  return false;
}

bool CheckpointMover::is_stored(const Keeping& path) const {
  const auto there = store_.checkpoints(path.tenant, path.tokens);
  return !there.empty() && std::cmp_equal(there.back().end, path.tokens.size());
}

/// Stores the next block in front of a checkpoint, or it with what is left. False when that cannot
/// be.
bool CheckpointMover::copy_next_of(const Keeping& next) {
  const auto tokens = std::span<const Token>(next.tokens);
  const int end = static_cast<int>(tokens.size());
  const auto kept = tree_.kept(next.tenant, tokens);
  if (!kept)
    return false;
  auto cells = store_.buffer();
  int begin = 0; // of what is missing; a block of which only a part is the same is none
  for (const Piece& piece : store_.find(next.tenant, tokens))
    if (piece.end == piece.block_end)
      begin = piece.end;
  if (end - begin >= store_.block_tokens()) {
    const int block_end = static_cast<int>(
        kv::block_end(tokens, static_cast<std::size_t>(begin), store_.block_tokens()));
    return export_cells(kept->holder, begin, block_end, cells) &&
           store_.put(next.tenant, tokens.first(static_cast<std::size_t>(block_end)),
                      std::move(cells), seconds(begin, block_end));
  }
  cells.clear();
  if ((begin < end && !export_cells(kept->holder, begin, end, cells)) ||
      !store_.put_checkpoint(next.tenant, tokens, std::move(cells), kept->state,
                             begin < end ? seconds(begin, end) : 0))
    return false;
  copied_ = true;
  thin_out(next);
  return true;
}

/// Of the checkpoints on the way to a new one, those that requests started from stay in any case.
void CheckpointMover::thin_out(const Keeping& path) {
  const auto there = store_.checkpoints(path.tenant, path.tokens);
  std::vector<int> places;
  for (const Piece& piece : there)
    places.push_back(piece.end);
  const auto wanted = thin_checkpoints(places);
  for (const Piece& piece : there)
    if (piece.hits == 0 && !std::ranges::binary_search(wanted, piece.end))
      store_.forget(piece.key);
}

} // namespace anyclaude::engine
