#include "kv/block_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <format>
#include <initializer_list>
#include <optional>
#include <utility>

namespace anyclaude::kv {
namespace fs = std::filesystem;

namespace {

constexpr const char* kSuffix = ".kv";
constexpr const char* kPartial = ".partial";
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kChunk = 1U << 20; // bytes that are checked while they are in the CPU's cache
constexpr const char* kRates = "rates";
constexpr std::size_t kMostRates = 4096; // bytes

/// An open file or folder.
class File {
 public:
  File(const fs::path& path, int flags)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (descriptor_ >= 0)
      ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  bool write(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno != EINTR)
        return false;
      bytes = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return true;
  }

  /// How many of the bytes there were; fewer at the end of the file, or where reading failed.
  std::size_t read(std::span<std::byte> bytes, std::uint64_t offset) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = ::pread(descriptor_, bytes.data() + done, bytes.size() - done,
                                    static_cast<off_t>(offset + done));
      failed_ = failed_ || (count < 0 && errno != EINTR);
      if (count == 0 || failed_)
        break;
      done += count < 0 ? 0 : static_cast<std::size_t>(count);
    }
    return done;
  }

  /// What is wrong with a file that is not what it should be: the disk may be to blame.
  Damage damage(Damage otherwise) const { return failed_ ? Damage::unreadable : otherwise; }

  /// Lets the system read all of the file ahead.
  void expect_all() const { ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_WILLNEED); }

  std::uint64_t size() const {
    struct stat status{};
    return ::fstat(descriptor_, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
  }

 private:
  int descriptor_;
  mutable bool failed_ = false; // reading it, once
};

std::string problem(const fs::path& path, int error) {
  return std::format("{}: {}", path.native(), std::strerror(error));
}

bool make_folder(const fs::path& path) {
  return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

bool sync_folder(const fs::path& path) {
  const File folder(path, O_RDONLY | O_DIRECTORY);
  return folder.is_open() && ::fsync(folder.descriptor()) == 0;
}

/// The bytes that were read are left in `bytes`.
std::expected<BlockHeader, Damage> header_of(const File& file, std::vector<std::byte>& bytes) {
  bytes.resize(kUsualHeader);
  bytes.resize(file.read(bytes, 0));
  auto header = read_header(bytes);
  if (!header && header.error().needed > bytes.size()) {
    bytes.resize(header.error().needed);
    bytes.resize(file.read(bytes, 0));
    header = read_header(bytes);
  }
  if (!header)
    return std::unexpected(file.damage(header.error().damage));
  if (header->file_size() != file.size())
    return std::unexpected(Damage::contents);
  return std::move(*header);
}

std::expected<BlockHeader, Damage> header_of(const File& file) {
  std::vector<std::byte> bytes;
  return header_of(file, bytes);
}

struct ReadFile {
  BlockHeader header;
  std::vector<std::byte> bytes; // of the header
  BlockUse use;                 // as far as the file tells it
};

std::expected<ReadFile, Damage> read_file(const fs::path& name) {
  const File file(name, O_RDONLY);
  if (!file.is_open())
    return std::unexpected(Damage::unreadable);
  ReadFile found;
  auto header = header_of(file, found.bytes);
  if (!header)
    return std::unexpected(header.error());
  found.bytes.resize(header->file_size() - header->section_bytes());
  if (file.read(found.bytes, 0) != found.bytes.size())
    return std::unexpected(Damage::unreadable);
  found.header = std::move(*header);
  struct stat status{};
  ::fstat(file.descriptor(), &status);
  found.use.last_used = status.st_mtim.tv_sec;
  return found;
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// What a file is called until it is complete; no two processes meet in it.
fs::path pending_name(const fs::path& name) {
  return std::format("{}.{}{}", name.native(), ::getpid(), kPartial);
}

/// The key that a block's file is named after.
std::optional<BlockKey> key_of(const fs::path& file) {
  const std::string name = file.stem().native();
  BlockKey key;
  if (name.size() != 2 * key.bytes.size())
    return std::nullopt;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    const char* digits = name.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, key.bytes[i], 16).ptr != digits + 2)
      return std::nullopt;
  }
  return key;
}

/// A random file of another size is no salt.
std::optional<std::string> read_salt(const fs::path& path) {
  std::array<std::byte, kSaltBytes> bytes{};
  const File file(path, O_RDONLY);
  if (!file.is_open() || file.size() != bytes.size() || file.read(bytes, 0) != bytes.size())
    return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// The salt of a store, made when there is none. Of several that come to make it one does.
std::expected<std::string, std::string> salt_of(const fs::path& root, bool may_write) {
  const fs::path path = root / "salt";
  if (auto salt = read_salt(path))
    return *salt;
  if (!may_write)
    return std::unexpected(path.native() + ": cannot be read");
  const File lock(root / "lock", O_RDWR | O_CREAT);
  if (lock.is_open())
    ::flock(lock.descriptor(), LOCK_EX);
  if (auto salt = read_salt(path))
    return *salt;
  std::array<std::byte, kSaltBytes> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return std::unexpected(problem(path, errno));
  const fs::path pending = path.native() + kPartial;
  {
    const File file(pending, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.is_open() || !file.write(bytes) || ::fdatasync(file.descriptor()) != 0)
      return std::unexpected(problem(pending, errno));
  }
  if (::rename(pending.c_str(), path.c_str()) != 0 || !sync_folder(root))
    return std::unexpected(problem(path, errno));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// The files below a model's folder; those that were not finished, apart.
void list_files(const fs::path& folder, std::vector<fs::path>& blocks,
                std::vector<fs::path>& partial) {
  std::error_code error;
  for (const auto& shard : fs::directory_iterator(folder, error)) {
    std::error_code inner;
    for (const auto& file : fs::directory_iterator(shard.path(), inner)) {
      if (file.path().extension() == kSuffix)
        blocks.push_back(file.path());
      else if (file.path().extension() == kPartial)
        partial.push_back(file.path());
    }
  }
}

/// Whether a folder that one may not write to for this reason can be read all the same.
bool leaves_reading(int error) {
  return error == EWOULDBLOCK || error == EACCES || error == EROFS;
}

} // namespace

std::expected<std::unique_ptr<BlockFiles>, std::string>
BlockFiles::open(const fs::path& root, const std::string& fingerprint, const std::string& model) {
  std::unique_ptr<BlockFiles> files(new BlockFiles);
  files->root_ = fs::absolute(root);
  files->fingerprint_ = fingerprint_key(fingerprint);
  files->folder_ = files->root_ / files->fingerprint_.hex().substr(0, 32);
  if (!make_folder(root))
    return std::unexpected(problem(root, errno));
  if (const auto acquired = files->acquire(); !acquired && !leaves_reading(acquired.error()))
    return std::unexpected(problem(files->lock_name(), acquired.error()));
  auto salt = salt_of(root, files->may_write());
  if (!salt)
    return std::unexpected(salt.error());
  files->salt_ = std::move(*salt);
  if (files->may_write())
    make_folder(files->folder_); // if it cannot be made, writing says why
  files->index_ = std::make_unique<BlockIndex>(files->folder_ / kIndexName, files->may_write());
  files->about_ = {fingerprint, model};
  files->describe();
  files->index_->flush();
  return files;
}

/// Beside the model's folder, which others may remove.
fs::path BlockFiles::lock_name() const {
  return folder_.native() + ".lock";
}

/// The kernel gives the lock back whichever way its process ends.
std::expected<void, int> BlockFiles::acquire() {
  if (may_write())
    return {};
  const int descriptor = ::open(lock_name().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return std::unexpected(errno);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(descriptor);
    return std::unexpected(error);
  }
  lock_ = descriptor;
  if (index_)
    index_->may_write(true);
  return {};
}

BlockFiles::~BlockFiles() {
  index_.reset();
  if (lock_ >= 0)
    ::close(lock_);
}

fs::path BlockFiles::path(const BlockKey& key) const {
  const std::string name = key.hex();
  return folder_ / name.substr(0, 2) / (name + kSuffix);
}

std::expected<void, int> BlockFiles::write(const Block& block, double seconds) const {
  const auto header = write_header(block, fingerprint_, seconds);
  const auto state =
      block.state ? std::span<const std::byte>(*block.state) : std::span<const std::byte>();
  auto written = write_parts(block.key, {header, block.cells, state});
  if (written)
    index_->put(block.key, header, {.hits = 0, .last_used = unix_seconds(), .is_stable = false});
  return written;
}

std::expected<void, int> BlockFiles::add(const BlockKey& key, std::span<const std::byte> header,
                                         std::span<const std::byte> sections) const {
  auto written = write_parts(key, {header, sections});
  if (written)
    index_->put(key, header, {.hits = 0, .last_used = unix_seconds(), .is_stable = true});
  return written;
}

bool BlockFiles::has(const BlockKey& key) const {
  std::error_code error;
  return fs::exists(path(key), error);
}

/// Others may remove the folder between any two steps, and twice over (`anyclaude cache clear`).
std::expected<void, int>
BlockFiles::write_parts(const BlockKey& key,
                        std::initializer_list<std::span<const std::byte>> parts) const {
  auto written = write_file(key, parts);
  for (int more = 2; more > 0 && !written && written.error() == ENOENT; --more)
    written = write_file(key, parts);
  return written;
}

std::expected<void, int>
BlockFiles::write_file(const BlockKey& key,
                       std::initializer_list<std::span<const std::byte>> parts) const {
  const fs::path name = path(key);
  const fs::path pending = pending_name(name);
  const auto failed = [&] {
    const int error = errno == 0 ? EIO : errno;
    ::unlink(pending.c_str());
    return std::unexpected(error);
  };
  errno = 0;
  if (!make_shard(name.parent_path()))
    return failed();
  {
    const File file(pending, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.is_open() ||
        !std::ranges::all_of(parts, [&file](const auto& part) { return file.write(part); }) ||
        ::fdatasync(file.descriptor()) != 0)
      return failed();
  }
  if (::rename(pending.c_str(), name.c_str()) != 0)
    return failed();
  if (!sync_folder(name.parent_path()))
    return failed();
  return {};
}

/// A name is safe only with those of all folders around it. Every process makes them safe once,
/// whoever made them: that one may have been killed before it came to it.
bool BlockFiles::make_shard(const fs::path& shard) const {
  if (!make_folder(folder_))
    return false;
  const bool is_new = ::mkdir(shard.c_str(), 0700) == 0;
  if (!is_new && (errno != EEXIST || safe_shards_.contains(shard)))
    return errno == EEXIST;
  if (!sync_folder(folder_) || !sync_folder(root_) || !sync_folder(root_.parent_path()))
    return false;
  safe_shards_.insert(shard);
  return true;
}

std::expected<Block, Damage> BlockFiles::read(const BlockKey& key,
                                              std::vector<std::byte> cells) const {
  return read_block_file(path(key), &fingerprint_, &key, std::move(cells));
}

void BlockFiles::remove(const BlockKey& key) const {
  ::unlink(path(key).c_str());
  index_->remove(key);
}

void BlockFiles::touch(const BlockKey& key, const BlockUse& use) const {
  ::utimensat(AT_FDCWD, path(key).c_str(), nullptr, 0);
  index_->set_use(key, use);
}

void BlockFiles::describe() const {
  if (index_->about() != about_)
    index_->set_about(about_);
}

std::vector<BlockKey> BlockFiles::names() const {
  std::vector<fs::path> blocks;
  std::vector<fs::path> partial;
  list_files(folder_, blocks, partial);
  std::vector<BlockKey> keys;
  for (const fs::path& file : blocks)
    if (const auto key = key_of(file))
      keys.push_back(*key);
  return keys;
}

std::string BlockFiles::read_rates() const {
  std::string text(kMostRates, '\0');
  const File file(folder_ / kRates, O_RDONLY);
  text.resize(file.is_open() ? file.read(std::as_writable_bytes(std::span(text)), 0) : 0);
  return text;
}

/// Lost in a power failure, they are measured again.
void BlockFiles::write_rates(const std::string& text) const {
  const fs::path name = folder_ / kRates;
  const fs::path pending = name.native() + kPartial;
  if (!make_folder(folder_))
    return;
  {
    const File file(pending, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.is_open() || !file.write(std::as_bytes(std::span(text))))
      return;
  }
  ::rename(pending.c_str(), name.c_str());
}

BlockFiles::Scan BlockFiles::scan() const {
  std::vector<fs::path> blocks;
  std::vector<fs::path> partial;
  list_files(folder_, blocks, partial);
  if (may_write())
    for (const fs::path& file : partial)
      ::unlink(file.c_str());
  auto known = index_->read();
  Scan scan;
  for (const fs::path& name : blocks) {
    const auto key = key_of(name);
    const auto row = key ? known.find(*key) : known.end();
    if (row != known.end()) {
      auto header = read_header(row->second.header);
      if (header && header->key == *key && header->fingerprint == fingerprint_) {
        scan.blocks.push_back({std::move(*header), row->second.use});
        known.erase(row);
        continue;
      }
    }
    auto found = read_file(name);
    if (found && (found->header.fingerprint != fingerprint_ || path(found->header.key) != name))
      found = std::unexpected(Damage::misplaced);
    if (!found) {
      scan.damaged.emplace_back(name, found.error());
      continue;
    }
    index_->put(found->header.key, found->bytes, found->use);
    scan.blocks.push_back({std::move(found->header), found->use});
  }
  for (const auto& [key, row] : known) // their files have gone
    index_->remove(key);
  if (may_write())
    index_->flush();
  return scan;
}

std::vector<StoredModel> stored_models(const fs::path& root) {
  std::vector<StoredModel> models;
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(root, error)) {
    if (!folder.is_directory(error))
      continue;
    StoredModel model{folder.path(), {}};
    std::vector<fs::path> blocks;
    std::vector<fs::path> partial;
    list_files(folder.path(), blocks, partial);
    std::ranges::sort(blocks);
    for (const fs::path& block : blocks)
      model.files.emplace_back(block, fs::file_size(block, error));
    models.push_back(std::move(model));
  }
  return models;
}

std::expected<BlockHeader, Damage> read_block_header(const fs::path& path) {
  const File file(path, O_RDONLY);
  return file.is_open() ? header_of(file) : std::unexpected(Damage::unreadable);
}

std::expected<std::vector<std::byte>, Damage> file_header(const fs::path& path) {
  auto file = read_file(path);
  if (!file)
    return std::unexpected(file.error());
  return std::move(file->bytes);
}

std::expected<Block, Damage> read_block_file(const fs::path& path, const BlockKey* fingerprint,
                                             const BlockKey* key, std::vector<std::byte> cells) {
  const File file(path, O_RDONLY);
  if (!file.is_open())
    return std::unexpected(Damage::unreadable);
  file.expect_all();
  auto header = header_of(file);
  if (!header)
    return std::unexpected(header.error());
  if ((fingerprint && header->fingerprint != *fingerprint) || (key && header->key != *key))
    return std::unexpected(Damage::misplaced);
  Block block;
  block.kind = header->kind;
  block.key = header->key;
  block.parent = header->parent;
  block.begin = header->begin;
  block.tokens = std::move(header->tokens);
  const auto read = [&file](const Section& section, std::vector<std::byte>& bytes) {
    SectionCheck check;
    bytes.resize(section.size);
    for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
      const auto chunk = std::span(bytes).subspan(at, std::min(kChunk, bytes.size() - at));
      if (file.read(chunk, section.offset + at) != chunk.size())
        return false;
      check.add(chunk);
    }
    return check.agrees(section);
  };
  std::vector<std::byte> state;
  for (const Section& section : header->sections)
    if (!read(section, section.kind == kCellSection ? cells : state))
      return std::unexpected(file.damage(Damage::contents));
  if (header->sections.empty() || header->sections.front().kind != kCellSection)
    cells.clear();
  block.cells = std::move(cells);
  if (block.kind == NodeKind::checkpoint)
    block.state = std::make_shared<const std::vector<std::byte>>(std::move(state));
  return block;
}

} // namespace anyclaude::kv
