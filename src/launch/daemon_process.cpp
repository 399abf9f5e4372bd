#include "launch/daemon_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <format>
#include <fstream>
#include <vector>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kLogBytes = 4 * 1024 * 1024;
constexpr int kExitSoftware = 70; // EX_SOFTWARE of sysexits.h

std::expected<Descriptor, std::string> open_log(const fs::path& log) {
  std::error_code ignored;
  if (const auto size = fs::file_size(log, ignored); !ignored && size > kLogBytes)
    fs::rename(log, log.native() + ".1", ignored);
  Descriptor file(
      ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file)
    return std::unexpected(
        std::format("cannot open the daemon's log {}: {}", log.native(), std::strerror(errno)));
  return file;
}

void close_range_of(int first, int last) {
#ifdef __linux__
  if (first > last ||
      ::close_range(static_cast<unsigned>(first), static_cast<unsigned>(last), 0) == 0)
    return;
#endif
  const int limit = static_cast<int>(std::min<long>(::sysconf(_SC_OPEN_MAX), 65536));
  for (int fd = first; fd <= std::min(last, limit); ++fd)
    ::close(fd);
}

void close_all_except(int a, int b) {
  const int low = std::min(a, b);
  const int high = std::max(a, b);
  close_range_of(3, low - 1);
  close_range_of(low + 1, high - 1);
  close_range_of(high + 1, 0x7fffffff);
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal)
    std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// In the child: leaves the launcher's terminal, session, folder and descriptors.
void become_daemon(const Descriptor& log) {
  ::setsid();
  reset_signals();
  ::dup2(log.get(), STDOUT_FILENO);
  ::dup2(log.get(), STDERR_FILENO);
  const Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing) {
    std::fprintf(stderr, "the daemon cannot open /dev/null: %s\n", std::strerror(errno));
    ::_exit(kExitSoftware);
  }
  ::dup2(nothing.get(), STDIN_FILENO);
  [[maybe_unused]] const int changed = ::chdir("/");
  ::umask(077);
}

[[noreturn]] void run_daemon(DaemonStart start, const DaemonMain& main) {
  int status = kExitSoftware;
  try {
    status = main(std::move(start));
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "the daemon ended on an unexpected error: %s\n", failed.what());
  } catch (...) {
    std::fputs("the daemon ended on an unexpected error of unknown kind\n", stderr);
  }
  std::fflush(nullptr);
  // Not exit(): destructors and buffers of the launcher, which this process is a copy of, are not
  // the daemon's to run.
  ::_exit(status);
}

} // namespace

std::expected<StartedProcess, std::string>
start_daemon_process(const Paths& paths, DaemonStart start, const DaemonMain& main) {
  auto log = open_log(paths.daemon_log());
  if (!log)
    return std::unexpected(log.error());
  struct stat info{};
  ::fstat(log->get(), &info);
  std::fflush(nullptr); // or the child would write the launcher's buffers a second time
  const pid_t pid = ::fork();
  if (pid < 0)
    return std::unexpected(std::format("cannot start the daemon: {}", std::strerror(errno)));
  if (pid == 0) {
    become_daemon(*log);
    log->reset();
    close_all_except(start.listener.lock.get(), start.listener.socket.get());
    run_daemon(std::move(start), main);
  }
  return StartedProcess{pid, info.st_size};
}

std::string end_of_log(const fs::path& log, std::int64_t from) {
  constexpr std::int64_t kBytes = 4096;
  constexpr std::size_t kLines = 12;
  std::ifstream file(log, std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::int64_t size = file ? static_cast<std::int64_t>(file.tellg()) : 0;
  const std::int64_t start = std::max(from, size - kBytes);
  if (size <= from)
    return {};
  std::string text(static_cast<std::size_t>(size - start), '\0');
  file.seekg(start);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  std::size_t begin = text.size();
  for (std::size_t line = 0; line < kLines && begin != std::string::npos && begin > 0; ++line)
    begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos ? text : text.substr(begin + (begin > 0 ? 1 : 0));
}

void add_to_log(const fs::path& log, const std::string& line) {
  if (const auto file = open_log(log)) {
    const std::string text = line + "\n";
    [[maybe_unused]] const auto written = ::write(file->get(), text.data(), text.size());
  }
}

std::string end_by_status(int status) {
  if (!WIFSIGNALED(status))
    return std::format("exit status {}", WEXITSTATUS(status));
  return std::format("signal {} ({}{})", WTERMSIG(status), ::strsignal(WTERMSIG(status)),
                     WTERMSIG(status) == SIGKILL ? ", as when no memory is left" : "");
}

std::optional<std::string> how_it_ended(pid_t child) {
  constexpr auto kPatience = std::chrono::seconds(2);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  pid_t ended = 0;
  while (child > 0 && (ended = ::waitpid(child, &status, WNOHANG)) == 0 &&
         std::chrono::steady_clock::now() < deadline)
    ::poll(nullptr, 0, 5);
  return ended > 0 ? std::optional(end_by_status(status)) : std::nullopt;
}

} // namespace anyclaude::launch
