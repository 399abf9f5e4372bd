#pragma once

#include "kv/block.h"
#include "kv/disk_tier.h"
#include "kv/prefix_outline.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace anyclaude::kv {

struct BlockStoreOptions {
  int block_tokens = kBlockTokens;
  std::size_t memory_bytes = 0; // of cells in host memory
  std::uint64_t disk_bytes = 0; // of block files
  std::string salt;             // see root_key()
  std::string fingerprint;
  bool checkpoints = false; // requests go on from checkpoints only: a block without one is no end
  /// A file proved unusable when it was asked for: its block is computed again. On the caller's
  /// thread.
  std::function<void(Damage)> on_damage{};
};

struct BlockStoreStats {
  std::size_t blocks = 0;       // that can be had
  std::size_t memory_bytes = 0; // in host memory, with what was given up and is still being written
  std::uint64_t disk_bytes = 0; // of block files
  std::size_t disk_blocks = 0;
  std::size_t checkpoints = 0;       // of the blocks
  std::uint64_t pinned_bytes = 0;    // of those files, what is given up last
  std::uint64_t unwritten_bytes = 0; // of block files that are being written
  std::uint64_t stored = 0;          // blocks, since the start
  std::uint64_t written = 0;         // of them, files that are durable
  std::uint64_t evicted = 0;         // blocks given up for others, since the start
  std::uint64_t damaged = 0;         // block files that proved unusable, since the start
  StoreTotals totals;                // since the start
};

/// The tenant under which the same person's prefixes stay in memory: nothing of it reaches a disk.
inline std::string unkept(const std::string& tenant) {
  return tenant + '\n';
}
inline bool is_unkept(const std::string& tenant) {
  return tenant.ends_with('\n');
}
/// The other way round.
inline std::string kept(const std::string& tenant) {
  return is_unkept(tenant) ? tenant.substr(0, tenant.size() - 1) : tenant;
}

/// Cells outside the model's memory, in blocks that are found by their tokens: a tree in which a
/// block hangs below the one in front of it.
///
///     root of a tenant ── block 0 ── block 1 ─┬─ block 2 ── 58 tokens
///                                             └─ block 2' (another question)
///
/// A block is of use only with all those in front of it, so those at the ends are given up first,
/// the least valuable one of them: the value is the time that computing it takes for each byte,
/// times how often it was wanted, against what has been stored since (GreedyDual-Size-Frequency:
/// Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy",
/// HP Labs 1998). A prefix that many requests began with therefore outlives many that were asked
/// once. On the disk, what is pinned outlives everything else, as long as it takes no more than
/// half of the budget.
///
/// Where requests go on from checkpoints, these hang below the whole block in front of their place:
///
///     root of a tenant ── block 0 ─┬─ block 1 ─── checkpoint at 530
///                                  └─ checkpoint at 300, behind tools and system prompt
///
/// With a disk, every block is written to it as well, behind the engine's back, and host memory
/// holds copies that can be dropped. What was on the disk when the store was opened can be had.
/// Not thread-safe: the engine thread owns it.
class BlockStore {
 public:
  /// `disk` may be null. Its salt takes the place of the options'.
  explicit BlockStore(BlockStoreOptions options, std::unique_ptr<DiskTier> disk = nullptr);
  ~BlockStore();
  BlockStore(const BlockStore&) = delete;
  BlockStore& operator=(const BlockStore&) = delete;

  /// A part of a prefix that can be had: tokens [begin, end) of it are the first ones of a block,
  /// or all of a checkpoint.
  struct Piece {
    NodeKind kind = NodeKind::block;
    BlockKey key;
    int begin = 0;
    int end = 0;
    int block_end = 0;
    std::size_t bytes = 0; // of the whole block
    bool is_in_memory = false;
    std::uint64_t hits = 0; // see count_hit()
  };

  /// The pieces that make up the longest stored prefix of `tokens`, in order, without a gap. Tokens
  /// are compared, not just keys.
  std::vector<Piece> find(const std::string& tenant, std::span<const Token> tokens) const;

  /// The pieces of the longest stored prefix of `tokens` that ends with a checkpoint: whole blocks,
  /// and the checkpoint. Empty when there is none.
  std::vector<Piece> find_checkpoint(const std::string& tenant,
                                     std::span<const Token> tokens) const;

  /// All checkpoints on the way through `tokens`, in order.
  std::vector<Piece> checkpoints(const std::string& tenant, std::span<const Token> tokens) const;

  int block_tokens() const { return options_.block_tokens; }

  /// Whether blocks are written to a disk.
  bool has_disk() const { return disk_ != nullptr; }

  /// Whether host memory should keep copies of what is on the disk: true unless told otherwise.
  void keep_copies(bool keep) { keeps_copies_ = keep; }

  /// Whether the last block of `tokens` can be had, which may be a short one, or a longer one that
  /// begins with it.
  bool has(const std::string& tenant, std::span<const Token> tokens) const;

  /// Room for the cells of the next block, from one that was given up where possible: fresh memory
  /// costs a page fault for every page.
  std::vector<std::byte> buffer();

  /// Stores the block at the end of `tokens`. `seconds` is what computing it would take. False,
  /// and nothing is stored, when a block in front of it is missing or there is no room.
  bool put(const std::string& tenant, std::span<const Token> tokens, std::vector<std::byte> cells,
           double seconds);

  /// Stores the checkpoint behind `tokens`, whose whole blocks must be there; `cells` are those of
  /// the tokens behind them. `seconds` is what computing these would take.
  bool put_checkpoint(const std::string& tenant, std::span<const Token> tokens,
                      std::vector<std::byte> cells, SavedState state, double seconds);

  enum class Have { yes, coming, no };
  struct Fetched {
    Have have = Have::no;
    BlockPointer block; // stays valid as long as it is held
  };
  /// The block, or that it is being read from the disk, or that it cannot be had any more.
  Fetched fetch(const BlockKey& key);
  /// Says that these will be wanted next, in this order.
  void expect(std::span<const BlockKey> keys);
  /// Says that nobody waits for this one any more.
  void forget_read(const BlockKey& key);
  /// Gives back what was fetched, so that its room is used again.
  void done(BlockPointer&& block);
  /// Milliseconds that reading so many bytes from the disk takes, by what was read so far.
  std::optional<double> read_time(std::size_t bytes) const;
  /// A text about this model's rates that is kept beside the block files, and how fast they are
  /// read by it. Empty without a disk.
  std::string rates() const;
  void keep_rates(std::string text);
  void expect_read_time(double bytes, double milliseconds);
  /// Waits until a block that is coming is there, or for so long.
  void wait(const BlockKey& key, std::chrono::milliseconds at_most);

  /// See DiskTier::computing().
  void computing(bool any);

  /// Hears what the disk has done, and gives it what it could not take before. Quick; to be called
  /// now and then.
  void pump();

  /// Some block in host memory; null when there is none.
  BlockPointer any() const;

  /// Says that a request for `asked` tokens began with these pieces, and that `found` tokens are
  /// not computed for it.
  void count_hit(std::span<const Piece> pieces, int found, int asked);

  /// Says that these tokens are tools and stable system text, which other sessions begin with as
  /// well: whole blocks of them are pinned.
  void pin(const std::string& tenant, std::span<const Token> tokens);

  /// Finds out what others have removed from the disk and added to it.
  void look_again();

  /// Gives everything up.
  void clear();

  /// Forgets a block and all behind it, whose cells proved unusable. Their files stay where the
  /// disk did not give them out: it may do so another time.
  void forget(const BlockKey& key, Damage why = Damage::contents);

  BlockStoreStats stats() const;

  /// Shows every prefix. The store does not know whose they are, so those of tenants that the
  /// outline does not know yet are shown as somebody else's.
  void show(PrefixOutlineBuilder& outline) const;

  /// Throws std::logic_error when the books contradict themselves. For tests.
  void check() const;

 private:
  struct Entry;

  Entry* root(const BlockKey& key);
  const Entry* find_root(const std::string& tenant) const;
  const Entry* whole_child(const Entry& parent, std::span<const Token> rest) const;
  static const Entry* best_child(const Entry& parent, std::span<const Token> rest, int& matched);
  std::size_t before_last(std::span<const Token> tokens) const;
  const Entry* parent_of_last(const std::string& tenant, std::span<const Token> tokens) const;
  const Entry* whole_blocks(const std::string& tenant, std::span<const Token> tokens) const;
  static const Entry* checkpoint_child(const Entry& parent, std::span<const Token> tokens);
  bool insert(Entry& parent, Block block, double seconds);
  static Piece piece_of(const Entry& entry, int end);
  void supersede(Entry& parent, std::span<const Token> tokens);
  void load(std::vector<BlockFiles::Found> found, bool may_remove);
  void adopt(BlockFiles::Found found, bool may_remove);
  bool make_room(std::size_t bytes, const Entry* keep);
  Entry* least_valuable(const Entry* keep, bool on_disk) const;
  void remove(Entry* entry, bool with_file = true);
  void drop_cells(Entry& entry);
  void write(Entry& entry);
  void note_use(const Entry& entry);
  void lost_file(Entry& entry);
  bool make_disk_room(std::uint64_t bytes, const Entry* keep);
  void lower_if_useless(Entry& entry) const;
  static double saved_seconds(const Entry& entry);
  double worth(const Entry& entry) const;
  std::uint64_t recency() const;

  BlockStoreOptions options_;
  BlockStoreStats stats_;
  double age_ = 0;                  // the value of what was given up last
  std::uint64_t being_written_ = 0; // bytes of files
  /// What was given up while it was being written, with its bytes: the next word from the disk
  /// about such a key is not about an entry.
  std::unordered_multimap<BlockKey, std::size_t, BlockKeyHash> given_up_;
  bool keeps_copies_ = true;
  bool unwritten_ = false; // there may be blocks that the disk has not taken
  std::unique_ptr<DiskTier> disk_;
  std::unordered_map<BlockKey, std::unique_ptr<Entry>, BlockKeyHash> roots_;
  std::unordered_map<BlockKey, std::unique_ptr<Entry>, BlockKeyHash> entries_;
  std::vector<std::byte> spare_;
};

} // namespace anyclaude::kv
