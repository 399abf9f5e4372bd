#include "launch/claude_process.h"

#include "launch/child_signals.h"
#include "launch/descriptor.h"
#include "launch/exec_arguments.h"
#include "launch/terminal.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace anyclaude::launch {

namespace {

/// In the child, between fork and exec: only what is safe in a signal handler.
[[noreturn]] void become_claude(const ExecArguments& exec, const ChildSignals& signals,
                                pid_t launcher, int error_pipe) {
  signals.restore();
#ifdef __linux__
  // A launcher that is killed outright leaves no `claude` behind that fights a shell for the
  // terminal.
  ::prctl(PR_SET_PDEATHSIG, SIGHUP);
  if (::getppid() != launcher)
    ::_exit(128 + SIGHUP);
#else
  static_cast<void>(launcher);
#endif
  static_cast<void>(exec.exec());
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(error_pipe, &error, sizeof error);
  ::_exit(127);
}

/// The errno of a failed exec; 0 once it succeeded, which closes the pipe.
int wait_for_exec(int error_pipe) {
  pollfd waiting{error_pipe, POLLIN, 0};
  while (::poll(&waiting, 1, -1) < 0 && errno == EINTR) {
  }
  int error = 0;
  return ::read(error_pipe, &error, sizeof error) == static_cast<ssize_t>(sizeof error) ? error : 0;
}

/// Looks at the child without blocking. Its exit status once it has ended; when it has stopped,
/// this process stops too and goes on with it.
std::optional<int> look_after(pid_t child, const TerminalModes& terminal) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG | WUNTRACED) == child) {
    if (WIFSTOPPED(status)) {
      ::kill(::getpid(), SIGSTOP); // the shell sees its job stop; `fg` continues the whole group
      continue;
    }
    terminal.restore();
    if (WIFEXITED(status) && WEXITSTATUS(status) < 128)
      return WEXITSTATUS(status);
    terminal.reset_after_crash();
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return std::nullopt;
}

void pass_on(std::vector<int> signals, pid_t child) {
  if (std::ranges::contains(signals, SIGCONT))
    std::erase(signals, SIGTSTP); // over already
  for (const int signal : signals)
    if (signal != SIGCHLD)
      ::kill(child, signal);
}

/// The launcher's one loop: signals, the daemon, the child.
int supervise(pid_t child, ChildSignals& signals, const TerminalModes& terminal,
              DaemonKeeper* daemon) {
  for (;;) {
    // Signals first: a stop that came for both is passed on before this process stops, not after
    // both have been continued.
    pass_on(signals.take(), child);
    if (const auto status = look_after(child, terminal))
      return *status;
    pollfd waiting[2] = {{signals.descriptor(), POLLIN, 0},
                         {daemon ? daemon->descriptor() : -1, POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0)
      continue; // a signal: its handler has written to the pipe
    if (daemon && waiting[1].revents != 0)
      daemon->on_readable();
  }
}

} // namespace

int run_claude(const ClaudeCommand& command, DaemonKeeper* daemon) {
  const ExecArguments exec(command);
  const TerminalModes terminal;
  auto signals = ChildSignals::install();
  Pipe failed = make_pipe();
  if (!signals || !failed.read) {
    std::fprintf(stderr, "anyclaude: cannot run claude: %s\n", std::strerror(errno));
    return 126;
  }
  std::fflush(nullptr);
  const pid_t launcher = ::getpid();
  const pid_t child = ::fork();
  if (child == 0)
    become_claude(exec, *signals, launcher, failed.write.get());
  const int fork_error = errno;
  failed.write.reset();
  const int error = child < 0 ? fork_error : wait_for_exec(failed.read.get());
  if (error != 0) {
    if (child > 0)
      ::waitpid(child, nullptr, 0);
    std::fprintf(stderr, "anyclaude: %s\n", exec_failure(command.program, error).c_str());
    return error == ENOENT ? 127 : 126;
  }
  return supervise(child, *signals, terminal, daemon);
}

} // namespace anyclaude::launch
