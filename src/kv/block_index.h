#pragma once

#include "database/database.h"
#include "kv/block.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace anyclaude::kv {

/// What a block was good for; what its file does not say.
struct BlockUse {
  std::uint64_t hits = 0;     // requests that began with it
  std::int64_t last_used = 0; // seconds since 1970
  bool is_stable = false;     // all of it is tools and system text that sessions share

  bool operator==(const BlockUse&) const = default;
};

/// What a model's store was good for, over all its lives.
struct StoreTotals {
  std::uint64_t requests = 0;
  std::uint64_t asked_tokens = 0; // of their prompts
  std::uint64_t found_tokens = 0; // of those, not computed again
  double saved_seconds = 0;       // that computing the stored ones of them would have taken

  StoreTotals& operator+=(const StoreTotals& more);
};

/// Beside the block files of one model: a copy of their headers in one place, which is read faster
/// than 20,000 files are, and what the files do not say. A SQLite database that is trusted with
/// nothing: which blocks there are, the folder says, and a header checks itself. Lost, damaged or
/// of another version, it is made again from the files; uses are then those that the files' times
/// tell.
/// Changes wait in memory until flush(), which takes a transaction; who may not write forgets them.
/// Thread-safe.
class BlockIndex {
 public:
  /// Opens it, or makes it if `may_write`. What keeps it from working leaves an index that knows
  /// nothing.
  BlockIndex(std::filesystem::path file, bool may_write);
  ~BlockIndex(); // flushes
  BlockIndex(const BlockIndex&) = delete;
  BlockIndex& operator=(const BlockIndex&) = delete;

  struct Row {
    std::vector<std::byte> header; // unchecked
    BlockUse use;
  };
  using Rows = std::unordered_map<BlockKey, Row, BlockKeyHash>;
  /// All that is written.
  Rows read();

  /// Of which model the blocks are, for people and for import; empty when unknown.
  struct About {
    std::string fingerprint; // see fingerprint_key()
    std::string model;       // its name
    bool operator==(const About&) const = default;
  };
  About about();
  StoreTotals totals();

  void put(const BlockKey& key, std::span<const std::byte> header, const BlockUse& use);
  void set_use(const BlockKey& key, const BlockUse& use);
  void remove(const BlockKey& key);
  void set_about(const About& about);
  void add(const StoreTotals& more);

  /// Writes what waits. False when it cannot be written now; it goes on waiting.
  bool flush();
  /// From now on changes are written.
  void may_write(bool may);

 private:
  struct Pending {
    std::unordered_map<BlockKey, Row, BlockKeyHash> rows; // an empty header: the use alone
    std::vector<BlockKey> removed;                        // before the rows are written
    std::optional<About> about;
    StoreTotals totals;
    bool empty() const;
  };

  bool open();
  void failed(int failure);
  int write(const Pending& pending);
  template <class Each>
  bool query(const char* sql, const Each& each);

  std::filesystem::path file_;
  std::mutex waiting_; // of pending_ and may_write_
  Pending pending_;
  bool may_write_;
  std::mutex mutex_; // of the rest; taken first
  std::optional<database::Connection> connection_;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> opened_; // device and inode
};

} // namespace anyclaude::kv
