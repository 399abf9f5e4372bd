#include "telemetry/trace.h"

#include "telemetry/redaction.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <format>
#include <mutex>
#include <thread>
#include <utility>

namespace anyclaude::telemetry {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kEnding = ".trace.txt"; // no file of anybody else is removed for room

/// The error is errno's.
std::expected<void, int> write_file(const fs::path& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0)
    return std::unexpected(errno);
  int error = 0;
  while (!text.empty() && error == 0) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written >= 0)
      text.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR)
      error = errno;
  }
  if (::close(file) != 0 && error == 0)
    error = errno;
  if (error == 0)
    return {};
  ::unlink(path.c_str()); // half of it would pass for the whole
  return std::unexpected(error);
}

class FolderTrace : public Trace {
 public:
  FolderTrace(fs::path folder, Limits limits) : folder_(std::move(folder)), limits_(limits) {
    find_earlier();
    writer_ = std::thread([this] { run(); });
  }

  ~FolderTrace() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    writer_.join();
  }
  FolderTrace(const FolderTrace&) = delete;
  FolderTrace& operator=(const FolderTrace&) = delete;

  void write(File file) override {
    {
      const std::scoped_lock lock(mutex_);
      if (waiting_bytes_ + file.text.size() > limits_.waiting_bytes) {
        if (!std::exchange(has_overflowed_, true))
          spdlog::warn("--trace: the disk does not keep up; some requests are not in {}",
                       folder_.native());
        return;
      }
      waiting_bytes_ += file.text.size();
      waiting_.push_back(std::move(file));
    }
    changed_.notify_all();
  }

 private:
  struct Kept {
    std::string name;
    std::uint64_t bytes;
  };

  void find_earlier() {
    std::vector<Kept> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder_, failed))
      if (std::error_code none; entry.path().filename().native().ends_with(kEnding) &&
                                entry.is_regular_file(none) && !entry.is_symlink(none))
        found.push_back({entry.path().filename(), entry.file_size(none)});
    std::ranges::sort(found, {}, &Kept::name);
    for (Kept& one : found) {
      kept_bytes_ += one.bytes;
      kept_.push_back(std::move(one));
    }
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty())
        return;
      File file = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      const std::size_t bytes = file.text.size();
      keep(std::move(file));
      lock.lock();
      waiting_bytes_ -= bytes;
    }
  }

  void keep(File file) {
    const std::string text = without_credentials(std::move(file.text), file.secrets);
    while (!kept_.empty() && kept_bytes_ + text.size() > limits_.folder_bytes) {
      ::unlink((folder_ / kept_.front().name).c_str());
      kept_bytes_ -= kept_.front().bytes;
      kept_.pop_front();
    }
    const auto written = write_file(folder_ / (file.name + std::string(kEnding)), text);
    if (!written) {
      if (!std::exchange(has_failed_, true))
        spdlog::warn("--trace: cannot write into {} ({}); requests are answered all the same",
                     folder_.native(), std::strerror(written.error()));
      return;
    }
    if (std::exchange(has_failed_, false))
      spdlog::info("--trace: {} is written into again", folder_.native());
    kept_bytes_ += text.size();
    kept_.push_back({file.name + std::string(kEnding), text.size()});
  }

  const fs::path folder_;
  const Limits limits_;
  std::deque<Kept> kept_; // the writer's, and the next two; oldest first
  std::uint64_t kept_bytes_ = 0;
  bool has_failed_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<File> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool has_overflowed_ = false;
  bool stopping_ = false;
  std::thread writer_; // the last: it uses the others
};

} // namespace

std::unique_ptr<Trace> Trace::open(fs::path folder, Limits limits) {
  return std::make_unique<FolderTrace>(std::move(folder), limits);
}

std::string Trace::name_of(const std::string& request_id) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return std::format("{:%Y%m%dT%H%M%S}Z-{}", now, request_id);
}

} // namespace anyclaude::telemetry
