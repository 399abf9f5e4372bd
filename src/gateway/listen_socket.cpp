#include "gateway/listen_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

namespace anyclaude::gateway {
namespace {

constexpr int kBacklog = 1024;

std::string reason(int error) {
  return std::generic_category().message(error);
}

void set_flag(int descriptor, int level, int option, int value) {
  ::setsockopt(descriptor, level, option, &value, sizeof value);
}

[[maybe_unused]] void make_private(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

int open_socket(int family) {
#ifdef SOCK_CLOEXEC
  return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
#else
  const int descriptor = ::socket(family, SOCK_STREAM, IPPROTO_TCP);
  if (descriptor >= 0) {
    make_private(descriptor);
  }
  return descriptor;
#endif
}

std::uint16_t bound_port(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

/// 0, or the errno of what failed.
int bind_and_listen(int descriptor, const addrinfo& address) {
  set_flag(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(descriptor, address.ai_addr, address.ai_addrlen) != 0 ||
      ::listen(descriptor, kBacklog) != 0) {
    return errno;
  }
  return 0;
}

} // namespace

std::expected<ListenSocket, std::string> listen_on(const std::string& host, std::uint16_t port) {
  const std::string where = "Cannot listen on " + host + " port " + std::to_string(port) + ": ";
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) {
    return std::unexpected(where + ::gai_strerror(failure) + ". Use a name or address of this " +
                           "machine, such as 127.0.0.1.");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int descriptor = open_socket(address->ai_family);
    if (descriptor < 0) {
      error = errno;
      continue;
    }
    error = bind_and_listen(descriptor, *address);
    if (error == 0) {
      return ListenSocket{descriptor, address->ai_family, bound_port(descriptor)};
    }
    ::close(descriptor);
  }
  std::string advice;
  if (error == EADDRINUSE) {
    advice = " by another program. Stop that program, or choose another port";
  } else if (error == EACCES) {
    advice = ". Choose a port from 1024 up";
  } else if (error == EADDRNOTAVAIL) {
    advice = ". Use an address of this machine, such as 127.0.0.1";
  }
  return std::unexpected(where + reason(error) + advice + ".");
}

std::expected<int, int> accept_connection(int listening) {
#ifdef SOCK_CLOEXEC
  const int descriptor = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
  const int descriptor = ::accept(listening, nullptr, nullptr);
  if (descriptor >= 0) {
    make_private(descriptor);
  }
#endif
  if (descriptor < 0) {
    return std::unexpected(errno);
  }
  set_flag(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set_flag(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_flag(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 30);
#elif defined(TCP_KEEPALIVE)
  set_flag(descriptor, IPPROTO_TCP, TCP_KEEPALIVE, 30);
#endif
#ifdef TCP_KEEPINTVL
  set_flag(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_flag(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
#ifdef TCP_USER_TIMEOUT // keepalive rests while something that was sent is not confirmed
  set_flag(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000); // milliseconds
#endif
#ifdef SO_NOSIGPIPE
  set_flag(descriptor, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  return descriptor;
}

void allow_connections(std::size_t count) {
  constexpr rlim_t kEverythingElse = 512; // model files, block files, logs, pipes
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, count + kEverythingElse);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

} // namespace anyclaude::gateway
