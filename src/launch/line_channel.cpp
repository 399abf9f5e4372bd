#include "launch/line_channel.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

namespace anyclaude::launch {

namespace {
constexpr std::size_t kLimit = 16 * 1024 * 1024; // bytes waiting, either way
#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif
} // namespace

LineChannel::LineChannel(Descriptor socket) : socket_(std::move(socket)) {
  set_nonblocking_and_private(socket_.get());
#ifdef SO_NOSIGPIPE
  const int yes = 1;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
#endif
}

bool LineChannel::receive() {
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (got > 0) {
      received_.append(buffer, static_cast<std::size_t>(got));
      if (received_.size() > kLimit && received_.find('\n') == std::string::npos)
        return false;
      continue;
    }
    if (got < 0 && errno == EINTR)
      continue;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
}

std::optional<std::string> LineChannel::next_line() {
  const auto end = received_.find('\n');
  if (end == std::string::npos)
    return std::nullopt;
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

bool LineChannel::send(const std::string& text) {
  unsent_ += text;
  return flush() && unsent_.size() <= kLimit;
}

bool LineChannel::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), kSendFlags);
    if (sent > 0) {
      unsent_.erase(0, static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && errno == EINTR)
      continue;
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
  return true;
}

} // namespace anyclaude::launch
