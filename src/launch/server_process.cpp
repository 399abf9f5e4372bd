#include "launch/server_process.h"

#include "launch/captured_process.h"
#include "launch/daemon_process.h"
#include "launch/descriptor.h"
#include "launch/exec_arguments.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <format>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

constexpr int kEndingTime = 10'000; // ms
constexpr int kTick = 20;           // ms

std::expected<ClaudeCommand, std::string> as_command(const ServerCommand& server,
                                                     const std::vector<std::string>& arguments) {
  const fs::path program = find_program(arguments.front());
  if (program.empty())
    return std::unexpected(std::format("there is no {} in PATH", arguments.front()));
  return ClaudeCommand{program, {arguments.begin() + 1, arguments.end()}, server.variables};
}

/// In the child, between fork and exec: only what is safe in a signal handler.
[[noreturn]] void become_server(const ExecArguments& exec, int log, pid_t parent, int error_pipe) {
  ::setpgid(0, 0); // so that its workers end with it
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent)
    ::_exit(127);
#else
  static_cast<void>(parent);
#endif
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 && ::dup2(log, STDOUT_FILENO) >= 0 &&
      ::dup2(log, STDERR_FILENO) >= 0)
    static_cast<void>(exec.exec());
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(error_pipe, &error, sizeof error);
  ::_exit(127);
}

} // namespace

std::expected<std::unique_ptr<ServerProcess>, std::string>
ServerProcess::start(const ServerCommand& command, const fs::path& log) {
  const auto runnable = as_command(command, command.arguments);
  if (!runnable)
    return std::unexpected(runnable.error());
  const ExecArguments exec(*runnable);
  const Descriptor file(
      ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  Pipe failed = make_pipe();
  if (!file || !failed.read)
    return std::unexpected(std::format("cannot start {}: {}: {}", command.arguments.front(),
                                       log.native(), std::strerror(errno)));
  struct stat info{};
  ::fstat(file.get(), &info);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0)
    become_server(exec, file.get(), parent, failed.write.get());
  if (child < 0)
    return std::unexpected(
        std::format("cannot start {}: {}", command.arguments.front(), std::strerror(errno)));
  ::setpgid(child, child); // whichever of the two is first
  failed.write.reset();
  pollfd waiting{failed.read.get(), POLLIN, 0};
  while (::poll(&waiting, 1, -1) < 0 && errno == EINTR) {
  }
  int error = 0;
  if (::read(failed.read.get(), &error, sizeof error) == static_cast<ssize_t>(sizeof error)) {
    ::waitpid(child, nullptr, 0);
    return std::unexpected(exec_failure(runnable->program, error));
  }
  return std::unique_ptr<ServerProcess>(new ServerProcess(command, log, info.st_size, child));
}

bool ServerProcess::wait_for_end(int milliseconds) {
  for (int waited = 0;; waited += kTick) {
    int status = 0;
    if (status_ || ::waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = status_.value_or(status);
      if (::kill(-pid_, 0) != 0) // nor does anything that it started
        return true;
    }
    if (waited >= milliseconds)
      return false;
    ::poll(nullptr, 0, kTick);
  }
}

ServerProcess::~ServerProcess() {
  if (!command_.stop.empty()) {
    if (const auto stop = as_command(command_, command_.stop))
      static_cast<void>(run_captured({*stop, "/", std::chrono::seconds(30), {}}));
  }
  ::kill(-pid_, SIGTERM);
  if (!wait_for_end(kEndingTime))
    ::kill(-pid_, SIGKILL);
  if (!status_)
    ::waitpid(pid_, nullptr, 0);
}

std::optional<std::string> ServerProcess::how_it_ended() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
    status_ = status;
  if (!status_ || (!command_.stop.empty() && WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0))
    return std::nullopt;
  return end_by_status(*status_);
}

std::string ServerProcess::last_lines(std::size_t lines) const {
  std::string text = end_of_log(log_, log_from_);
  std::size_t begin = text.size();
  for (std::size_t line = 0; line < lines && begin != std::string::npos && begin > 0; ++line)
    begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos || begin == 0 ? text : text.substr(begin + 1);
}

} // namespace anyclaude::launch
