#include "launch/control_listener.h"

#include "launch/unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <format>

namespace anyclaude::launch {

namespace {

constexpr int kBacklog = 64; // launchers starting at once

std::unexpected<ListenFailure> failure(const char* what, const std::filesystem::path& path) {
  return std::unexpected(
      ListenFailure{false, std::format("cannot {} {}: {}", what, path.native(), strerror(errno))});
}

Descriptor open_lock_file(const std::filesystem::path& path) {
  return Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

bool lock(const Descriptor& file, int how) {
  int result = 0;
  do
    result = ::flock(file.get(), how);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

std::expected<Descriptor, ListenFailure> listen_at(const std::filesystem::path& path) {
  const auto address = unix_address(path);
  if (!address)
    return std::unexpected(ListenFailure{
        false, std::format("{} is too long a name for a Unix socket; set XDG_RUNTIME_DIR or "
                           "ANYCLAUDE_HOME to a shorter folder",
                           path.native())});
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!socket)
    return failure("make the control socket", path);
  set_nonblocking_and_private(socket.get());
  ::unlink(path.c_str());
  if (::bind(socket.get(), as_sockaddr(*address), sizeof *address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), kBacklog) != 0)
    return failure("listen at the control socket", path);
  return socket;
}

/// Held from taking the daemon's lock until its socket listens, so that nobody sees one without the
/// other, and while the daemon's lock is only tried, so that nobody takes that for a daemon.
std::expected<Descriptor, ListenFailure> wait_for_turn(const Paths& paths) {
  const auto path = paths.runtime / "starting.lock";
  Descriptor turn = open_lock_file(path);
  if (!turn || !lock(turn, LOCK_EX))
    return failure("lock", path);
  return turn;
}

/// True as well when the lock file cannot be opened: then no daemon can hold it.
bool no_daemon(const Paths& paths) {
  const auto turn = wait_for_turn(paths);
  const Descriptor file = open_lock_file(paths.runtime / "daemon.lock");
  return !file || lock(file, LOCK_EX | LOCK_NB);
}

} // namespace

std::expected<ControlListener, ListenFailure> open_control_listener(const Paths& paths) {
  const auto turn = wait_for_turn(paths);
  if (!turn)
    return std::unexpected(turn.error());

  const auto lock_path = paths.runtime / "daemon.lock";
  ControlListener listener{open_lock_file(lock_path), {}, paths.control_socket()};
  if (!listener.lock)
    return failure("open", lock_path);
  if (!lock(listener.lock, LOCK_EX | LOCK_NB)) {
    if (errno != EWOULDBLOCK)
      return failure("lock", lock_path);
    return std::unexpected(
        ListenFailure{true, std::format("another anyclaude daemon is running (it holds {}); "
                                        "stop it first, or use it: anyclaude attaches to it",
                                        lock_path.native())});
  }
  auto socket = listen_at(listener.path);
  if (!socket)
    return std::unexpected(socket.error());
  listener.socket = std::move(*socket);
  return listener;
}

bool wait_for_daemon_end(const Paths& paths, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    if (no_daemon(paths))
      return true;
    if (std::chrono::steady_clock::now() >= deadline)
      return false;
    ::poll(nullptr, 0, 10); // flock has no time-out: the condition is looked at again
  }
}

} // namespace anyclaude::launch
