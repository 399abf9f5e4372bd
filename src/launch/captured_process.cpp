#include "launch/captured_process.h"

#include "launch/descriptor.h"
#include "launch/exec_arguments.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <format>

namespace anyclaude::launch {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTick = 250; // ms
constexpr int kCannotRun = 127;

/// In the child, between fork and exec: only what is safe in a signal handler.
[[noreturn]] void become(const ExecArguments& exec, const std::filesystem::path& folder,
                         const Pipe& output, const Pipe& errors) {
  ::setpgid(0, 0); // so that its children can be killed with it
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(output.write.get(), STDOUT_FILENO);
  ::dup2(errors.write.get(), STDERR_FILENO);
  for (const int out : {STDOUT_FILENO, STDERR_FILENO}) // few programs expect a pipe that is full
    ::fcntl(out, F_SETFL, 0);
  if (nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 && ::chdir(folder.c_str()) == 0)
    static_cast<void>(exec.exec());
  const char* reason = std::strerror(errno);
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, reason, std::strlen(reason));
  ::_exit(kCannotRun);
}

/// Takes in what has arrived; false at its end.
bool drain(int fd, std::string& into) {
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size > 0)
      into.append(buffer.data(), static_cast<std::size_t>(size));
    else
      return size < 0 && (errno == EAGAIN || errno == EINTR);
  }
}

/// Reads both pipes to their ends; false when time was over first.
bool read_all(Pipe& output, Pipe& errors, const CapturedProcess& process, Captured& captured) {
  const auto deadline = Clock::now() + process.timeout;
  while (output.read || errors.read) {
    if (Clock::now() >= deadline)
      return false;
    std::array<pollfd, 2> waiting = {pollfd{output.read.get(), POLLIN, 0},
                                     pollfd{errors.read.get(), POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), kTick);
    if (waiting[0].revents != 0 && !drain(output.read.get(), captured.output))
      output.read.reset();
    if (waiting[1].revents != 0 && !drain(errors.read.get(), captured.errors))
      errors.read.reset();
    if (process.while_running)
      process.while_running();
  }
  return true;
}

} // namespace

std::expected<Captured, std::string> run_captured(const CapturedProcess& process) {
  const ExecArguments exec(process.command);
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  const auto cannot = [&](const char* reason) {
    return std::unexpected(
        std::format("cannot run {}: {}", process.command.program.native(), reason));
  };
  if (!output.read || !errors.read)
    return cannot(std::strerror(errno));
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0)
    become(exec, process.working_directory, output, errors);
  if (child < 0)
    return cannot(std::strerror(errno));
  ::setpgid(child, child); // whichever of the two is first
  output.write.reset();
  errors.write.reset();

  Captured captured;
  const bool ended = read_all(output, errors, process, captured);
  if (!ended)
    ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended)
    return std::unexpected(std::format("{} has not ended after {} s and was killed",
                                       process.command.program.native(), process.timeout.count()));
  captured.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  if (captured.status == kCannotRun && captured.output.empty())
    return cannot(captured.errors.c_str());
  return captured;
}

} // namespace anyclaude::launch
