#include "kv/failing_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

// The names are the linker's: with --wrap=NAME, our code's calls of NAME arrive at __wrap_NAME.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
extern "C" {
int __real_open(const char* path, int flags, ...);
int __real_close(int descriptor);
ssize_t __real_write(int descriptor, const void* bytes, size_t size);
ssize_t __real_pread(int descriptor, void* bytes, size_t size, off_t offset);
int __real_fdatasync(int descriptor);
int __real_fsync(int descriptor);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);
int __real_mkdir(const char* path, mode_t mode);
}

namespace anyclaude::kv {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSector = 512;

std::atomic<FailingDisk*> the_disk =
    nullptr; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

bool draw(std::mt19937* luck, unsigned percent) {
  return !luck || (*luck)() % 100 < percent;
}

void resize(std::string& bytes, std::size_t size) {
  bytes.resize(size, '\0');
}

} // namespace

/// One call of our code's, with the disk locked. Without a disk, or outside its folder, a call is
/// none of its business.
class FailingDisk::Call {
 public:
  Call() : disk_(the_disk) {
    if (disk_)
      lock_ = std::unique_lock(disk_->mutex_);
  }

  std::optional<Path> inside(const char* path) const {
    return disk_ ? disk_->inside(path) : std::nullopt;
  }
  Open* find(int descriptor) const {
    if (!disk_)
      return nullptr;
    const auto found = disk_->open_.find(descriptor);
    return found == disk_->open_.end() ? nullptr : &found->second;
  }
  bool fails(std::string_view name, const Path& path) const {
    const int error = disk_->failure(name, path);
    if (error != 0)
      errno = error;
    return error != 0;
  }
  void note(Change change) const { disk_->journal_.push_back(std::move(change)); }

  void opened(int descriptor, int flags, const Path& path) const {
    Open open{path, 0, 0};
    if ((flags & O_DIRECTORY) == 0) {
      int& file = disk_->names_[path];
      if (file == 0) {
        file = ++disk_->files_;
        note({Change::Kind::name, path, {}, file, 0, {}});
      } else if ((flags & O_TRUNC) != 0) {
        note({Change::Kind::resize, path, {}, file, 0, {}});
      }
      open.file = file;
    }
    disk_->open_[descriptor] = open;
  }
  void made(const Path& path) const {
    disk_->names_[path] = 0;
    note({Change::Kind::make_folder, path, {}, 0, 0, {}});
  }
  void wrote(Open& open, std::string_view bytes) const {
    note({Change::Kind::write, open.path, {}, open.file, open.offset, Bytes(bytes)});
    open.offset += bytes.size();
  }
  void closed(int descriptor) const {
    if (disk_)
      disk_->open_.erase(descriptor);
  }
  void renamed(const Path& from, const Path& to) const {
    const int file = disk_->names_[from];
    disk_->names_.erase(from);
    disk_->names_[to] = file;
    note({Change::Kind::rename, from, to, file, 0, {}});
  }
  void removed(const Path& path) const {
    disk_->names_.erase(path);
    note({Change::Kind::unname, path, {}, 0, 0, {}});
  }
  /// The real disk need not be waited for: what is safe is the model's to say.
  int sync(const Open& open, std::string_view name) const {
    if (fails(name, open.path))
      return -1;
    if (!disk_->lies_ || !disk_->lies_(open.path))
      note({open.file != 0 ? Change::Kind::sync_file : Change::Kind::sync_folder,
            open.path,
            {},
            open.file,
            0,
            {}});
    return 0;
  }

 private:
  FailingDisk* disk_;
  std::unique_lock<std::recursive_mutex> lock_;
};

FailingDisk::FailingDisk(Path root) : root_(std::move(root)), begin_(read(root_)) {
  names_ = begin_.names;
  files_ = static_cast<int>(begin_.files.size());
  the_disk = this;
}

FailingDisk::~FailingDisk() {
  the_disk = nullptr;
}

void FailingDisk::lie(std::function<bool(const Path&)> about) {
  const std::scoped_lock lock(mutex_);
  lies_ = std::move(about);
}

void FailingDisk::fail(std::function<int(std::string_view, const Path&)> how) {
  const std::scoped_lock lock(mutex_);
  fails_ = std::move(how);
}

std::size_t FailingDisk::now() const {
  const std::scoped_lock lock(mutex_);
  return journal_.size();
}

namespace {

/// SQLite's calls are not seen here. It is as if the index were lost with the power, and nothing is
/// lost with it.
bool is_index(const fs::path& path) {
  return path.filename().native().starts_with("index.sqlite");
}

} // namespace

std::optional<fs::path> FailingDisk::inside(const char* path) const {
  const auto relative = Path(path).lexically_relative(root_);
  if (relative.empty() || *relative.begin() == ".." || is_index(relative))
    return std::nullopt;
  return relative;
}

int FailingDisk::failure(std::string_view call, const Path& path) const {
  return fails_ ? fails_(call, path) : 0;
}

FailingDisk::Tree FailingDisk::read(const Path& root) {
  Tree tree;
  int number = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const Path path = entry.path().lexically_relative(root);
    if (is_index(path))
      continue;
    if (entry.is_directory()) {
      tree.names[path] = 0;
      continue;
    }
    std::ifstream in(entry.path(), std::ios::binary);
    tree.names[path] = ++number;
    tree.files[number] = Bytes(std::istreambuf_iterator<char>(in), {});
  }
  return tree;
}

/// What the folder holds behind `at` changes. With luck, the power failed there.
FailingDisk::Tree FailingDisk::after(std::size_t at, std::mt19937* luck) const {
  using Kind = Change::Kind;
  std::map<Path, std::size_t> safe_names; // by folder: changes in front of this one
  std::map<int, std::size_t> safe_bytes;
  for (std::size_t i = 0; i < at; ++i) {
    if (journal_[i].kind == Kind::sync_folder)
      safe_names[journal_[i].path] = i;
    else if (journal_[i].kind == Kind::sync_file)
      safe_bytes[journal_[i].file] = i;
  }
  // A crowd of changes of which few or most happen shows other faults than half of them.
  const unsigned percent = luck ? std::array{0U, 20U, 50U, 80U, 100U}[(*luck)() % 5] : 100;
  const std::size_t end = std::min(journal_.size(), luck ? at + 1 : at);

  Tree tree = begin_;
  std::map<int, std::size_t> safe_size;
  for (std::size_t i = 0; i < end; ++i) {
    const Change& change = journal_[i];
    const Path folder = change.path.has_parent_path() ? change.path.parent_path() : Path(".");
    const bool is_safe_name = safe_names.contains(folder) && i < safe_names[folder];
    const bool is_safe = safe_bytes.contains(change.file) && i < safe_bytes[change.file];
    Bytes& bytes = tree.files[change.file];
    switch (change.kind) {
    case Kind::make_folder:
      if (is_safe_name || draw(luck, percent))
        tree.names[change.path] = 0;
      break;
    case Kind::name:
      if (is_safe_name || draw(luck, percent))
        tree.names[change.path] = change.file;
      break;
    case Kind::unname:
      if (is_safe_name || draw(luck, percent))
        tree.names.erase(change.path);
      break;
    case Kind::rename:
      if (is_safe_name || draw(luck, percent)) {
        tree.names[change.to] = change.file;
        if (is_safe_name || draw(luck, 80))
          tree.names.erase(change.path);
      }
      break;
    case Kind::resize:
      if (is_safe || draw(luck, percent))
        resize(bytes, change.at);
      break;
    case Kind::write: {
      const std::size_t before = bytes.size();
      const std::size_t size = std::max(before, change.at + change.bytes.size());
      resize(bytes, size);
      for (std::size_t done = 0; done < change.bytes.size();) {
        const std::size_t count =
            std::min(change.bytes.size() - done, kSector - (change.at + done) % kSector);
        if (is_safe || draw(luck, percent))
          bytes.replace(change.at + done, count, change.bytes, done, count);
        done += count;
      }
      if (!is_safe && size > before && luck && draw(luck, 50))
        resize(bytes, before + (*luck)() % (size - before + 1));
      break;
    }
    case Kind::sync_file:
    case Kind::sync_folder:
      break;
    }
  }
  // What is in a folder that is gone is gone; parents sort in front of what is in them.
  std::set<Path> folders = {""};
  std::erase_if(tree.names, [&](const auto& entry) {
    const auto& [path, file] = entry;
    if (!folders.contains(path.parent_path()))
      return true;
    if (file == 0)
      folders.insert(path);
    return false;
  });
  return tree;
}

void FailingDisk::power_failure(std::size_t at, unsigned seed, const Path& folder) const {
  const std::scoped_lock lock(mutex_);
  std::mt19937 luck(seed);
  const Tree tree = after(at, &luck);
  fs::create_directories(folder);
  for (const auto& [path, file] : tree.names) {
    if (file == 0)
      fs::create_directory(folder / path);
    else
      std::ofstream(folder / path, std::ios::binary) << tree.files.at(file);
  }
}

bool FailingDisk::saw_everything() const {
  const std::scoped_lock lock(mutex_);
  const Tree here = read(root_);
  const Tree told = after(journal_.size(), nullptr);
  return std::ranges::equal(here.names, told.names, [&](const auto& a, const auto& b) {
    return a.first == b.first && (a.second == 0) == (b.second == 0) &&
           (a.second == 0 || here.files.at(a.second) == told.files.at(b.second));
  });
}

} // namespace anyclaude::kv

using anyclaude::kv::FailingDisk;

extern "C" {

int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    std::va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  const FailingDisk::Call call;
  const auto inside = call.inside(path);
  if (inside && call.fails("open", *inside))
    return -1;
  const int descriptor = __real_open(path, flags, mode);
  if (inside && descriptor >= 0)
    call.opened(descriptor, flags, *inside);
  return descriptor;
}

int __wrap_close(int descriptor) {
  const FailingDisk::Call call;
  call.closed(descriptor);
  return __real_close(descriptor);
}

ssize_t __wrap_write(int descriptor, const void* bytes, size_t size) {
  const FailingDisk::Call call;
  auto* open = call.find(descriptor);
  if (open && call.fails("write", open->path))
    return -1;
  const ssize_t written = __real_write(descriptor, bytes, size);
  if (open && written > 0)
    call.wrote(*open, {static_cast<const char*>(bytes), static_cast<size_t>(written)});
  return written;
}

ssize_t __wrap_pread(int descriptor, void* bytes, size_t size, off_t offset) {
  {
    const FailingDisk::Call call;
    const auto* open = call.find(descriptor);
    if (open && call.fails("pread", open->path))
      return -1;
  }
  return __real_pread(descriptor, bytes, size, offset);
}

int __wrap_fdatasync(int descriptor) {
  const FailingDisk::Call call;
  const auto* open = call.find(descriptor);
  return open ? call.sync(*open, "fdatasync") : __real_fdatasync(descriptor);
}

int __wrap_fsync(int descriptor) {
  const FailingDisk::Call call;
  const auto* open = call.find(descriptor);
  return open ? call.sync(*open, "fsync") : __real_fsync(descriptor);
}

int __wrap_rename(const char* from, const char* to) {
  const FailingDisk::Call call;
  const auto inside = call.inside(from);
  if (inside && call.fails("rename", *inside))
    return -1;
  const int result = __real_rename(from, to);
  if (inside && result == 0)
    call.renamed(*inside, *call.inside(to));
  return result;
}

int __wrap_unlink(const char* path) {
  const FailingDisk::Call call;
  const auto inside = call.inside(path);
  if (inside && call.fails("unlink", *inside))
    return -1;
  const int result = __real_unlink(path);
  if (inside && result == 0)
    call.removed(*inside);
  return result;
}

int __wrap_mkdir(const char* path, mode_t mode) {
  const FailingDisk::Call call;
  const auto inside = call.inside(path);
  if (inside && call.fails("mkdir", *inside))
    return -1;
  const int result = __real_mkdir(path, mode);
  if (inside && result == 0)
    call.made(*inside);
  return result;
}
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
