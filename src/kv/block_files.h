#pragma once

#include "kv/block_format.h"
#include "kv/block_index.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace anyclaude::kv {

/// A folder of block files, one for each block:
///
///     <root>/lock  salt  <fingerprint, 32 digits>/<2 digits of the key>/<the key's 64 digits>.kv
///                                                /rates
///                                                /index.sqlite
///                        <fingerprint>.lock
///
/// A file has its name only once it is complete and on the disk. Reading is thread-safe; one thread
/// writes.
class BlockFiles {
 public:
  /// Opens the folder, which is made (0700) if need be, for one model, whose name is for people. Of
  /// several that open one model, one gets to write; the others read. The error says what cannot be
  /// done with which file.
  static std::expected<std::unique_ptr<BlockFiles>, std::string>
  open(const std::filesystem::path& root, const std::string& fingerprint,
       const std::string& model = {});
  ~BlockFiles();
  BlockFiles(const BlockFiles&) = delete;
  BlockFiles& operator=(const BlockFiles&) = delete;

  bool may_write() const { return lock_ >= 0; }
  /// Tries to become the one that writes this model's. The error is errno; EWOULDBLOCK: another is.
  std::expected<void, int> acquire();
  /// Secret of this folder, made with it: see root_key().
  const std::string& salt() const { return salt_; }
  const std::filesystem::path& folder() const { return folder_; }

  /// Writes a block; when this returns it survives a power failure. The error is errno.
  std::expected<void, int> write(const Block& block, double seconds) const;

  /// Writes a block that is there as bytes, in the same way: its header and all sections.
  std::expected<void, int> add(const BlockKey& key, std::span<const std::byte> header,
                               std::span<const std::byte> sections) const;
  bool has(const BlockKey& key) const;

  /// Reads a block and checks every byte. `cells` is used for them where it is large enough.
  std::expected<Block, Damage> read(const BlockKey& key, std::vector<std::byte> cells = {}) const;

  /// Removes a block's file, if there is one.
  void remove(const BlockKey& key) const;

  /// Says that a block was used: the file's time of change is the time of its last use, and the
  /// index has the rest.
  void touch(const BlockKey& key, const BlockUse& use) const;

  /// Tells the index which model this is, where it does not know.
  void describe() const;

  /// What the folder's files say of themselves, read all at once.
  BlockIndex& index() const { return *index_; }

  /// The keys of all blocks of this model that have a file.
  std::vector<BlockKey> names() const;

  /// What was measured of moving this model's blocks: a text that the caller makes sense of. Empty
  /// when there is none.
  std::string read_rates() const;
  void write_rates(const std::string& text) const;

  struct Found {
    BlockHeader header;
    BlockUse use;
  };
  struct Scan {
    std::vector<Found> blocks;
    std::vector<std::pair<std::filesystem::path, Damage>> damaged;
  };
  /// The headers of all blocks of this model: from the index, and those that it does not know from
  /// their files. Files that were not finished when their writer was killed are removed by a
  /// process that may write.
  Scan scan() const;

 private:
  BlockFiles() = default;
  std::filesystem::path path(const BlockKey& key) const;
  std::filesystem::path lock_name() const;
  std::expected<void, int>
  write_parts(const BlockKey& key, std::initializer_list<std::span<const std::byte>> parts) const;
  std::expected<void, int>
  write_file(const BlockKey& key, std::initializer_list<std::span<const std::byte>> parts) const;
  bool make_shard(const std::filesystem::path& shard) const;

  std::filesystem::path root_;
  std::filesystem::path folder_;
  BlockKey fingerprint_;
  std::string salt_;
  int lock_ = -1;
  BlockIndex::About about_;
  mutable std::set<std::filesystem::path>
      safe_shards_; // whose names survive; of the writing thread
  std::unique_ptr<BlockIndex> index_;
};

inline constexpr const char* kIndexName = "index.sqlite"; // in a model's folder

/// One model's blocks in a store.
struct StoredModel {
  std::filesystem::path folder;
  std::vector<std::pair<std::filesystem::path, std::uint64_t>> files; // with their bytes
};
/// Every model's blocks below a store's root, of any format version of this layout.
std::vector<StoredModel> stored_models(const std::filesystem::path& root);

/// Reads a file's header and checks it.
std::expected<BlockHeader, Damage> read_block_header(const std::filesystem::path& path);

/// All bytes of a file in front of its sections, checked.
std::expected<std::vector<std::byte>, Damage> file_header(const std::filesystem::path& path);

/// Reads one file, whichever model's it is, and checks every byte.
std::expected<Block, Damage> read_block_file(const std::filesystem::path& path,
                                             const BlockKey* fingerprint, const BlockKey* key,
                                             std::vector<std::byte> cells = {});

} // namespace anyclaude::kv
