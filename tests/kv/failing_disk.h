#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::kv {

/// Stands between our code and the disk, for what happens below one folder: it keeps a journal of
/// every change and every sync, can make calls fail, and can show what a power failure at any
/// moment may leave. The linker puts it in (--wrap, see tests/CMakeLists.txt): it sees the calls of
/// our own code, not those that shared libraries make. There is one at a time; all threads are
/// heard.
///
/// The model is what POSIX promises and no more:
///  - bytes of a file are safe once its fdatasync or fsync has returned. Of later ones each sector
///    is there or not, whatever its neighbours do, and the size is anything between the old and the
///    new one; what was never written is zeros;
///  - a name is safe once its folder's fsync has returned, its own folder's name not included. Of
///    later changes in a folder each has happened or not, in any order.
class FailingDisk {
 public:
  explicit FailingDisk(std::filesystem::path root);
  ~FailingDisk();
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;

  /// Syncs of the files and folders for which this is true do nothing and say that they worked.
  void lie(std::function<bool(const std::filesystem::path& path)> about);

  /// Decides for every call whether it fails, with which errno; 0 lets it pass. Calls are named as
  /// in C: "open", "write", "pread", "fdatasync", "fsync", "rename", "unlink", "mkdir".
  void fail(std::function<int(std::string_view call, const std::filesystem::path& path)> how);

  /// How many changes and syncs there were so far.
  std::size_t now() const;

  /// Makes `folder` what may be found after the power failed behind so many of them, the next one
  /// being under way. Other seeds, other luck.
  void power_failure(std::size_t at, unsigned seed, const std::filesystem::path& folder) const;

  /// Whether the folder is what the journal makes of it: false when something was changed that this
  /// did not see.
  bool saw_everything() const;

  // What the linker calls; see failing_disk.cpp.
  class Call;

 private:
  using Path = std::filesystem::path;
  using Bytes = std::string;

  struct Change {
    enum class Kind { make_folder, name, rename, unname, write, resize, sync_file, sync_folder };
    Kind kind;
    Path path;          // relative to the root
    Path to;            // of a rename
    int file = 0;       // number of an inode
    std::size_t at = 0; // offset, or the new size
    Bytes bytes;
  };
  struct Open {
    Path path;
    int file = 0; // 0: a folder
    std::size_t offset = 0;
  };
  /// Names in the tree, folders among them; of files, their contents.
  struct Tree {
    std::map<Path, int> names; // 0: a folder
    std::map<int, Bytes> files;
  };

  std::optional<Path> inside(const char* path) const;
  int failure(std::string_view call, const Path& path) const;
  Tree after(std::size_t at, std::mt19937* luck) const;
  static Tree read(const Path& root);

  Path root_;
  Tree begin_;
  mutable std::recursive_mutex mutex_;
  std::vector<Change> journal_;
  std::map<Path, int> names_;
  std::map<int, Open> open_; // by descriptor
  int files_ = 0;
  std::function<bool(const Path&)> lies_;
  std::function<int(std::string_view, const Path&)> fails_;
};

} // namespace anyclaude::kv
