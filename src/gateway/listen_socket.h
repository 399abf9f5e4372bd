#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

/// The few socket calls that Asio makes without FD_CLOEXEC. The daemon starts other programs, and a
/// descriptor they inherit keeps the port taken and the client waiting after we are gone.
namespace anyclaude::gateway {

struct ListenSocket {
  int descriptor = -1; // not blocking; the caller closes it
  int family = 0;      // AF_INET or AF_INET6
  std::uint16_t port = 0;
};

/// Binds (SO_REUSEADDR) and listens with a backlog of 1,024. `host` is a name or a numeric address;
/// port 0 takes any free one. The error is a sentence with the address and the reason.
std::expected<ListenSocket, std::string> listen_on(const std::string& host, std::uint16_t port);

/// The next waiting connection: not blocking, TCP_NODELAY, and with TCP keepalive and, on Linux, a
/// limit of the time that what was sent stays unconfirmed, so that a peer whose machine vanished is
/// noticed within about a minute. The error is an errno value.
std::expected<int, int> accept_connection(int listening);

/// Raises this process's soft limit of open files, as far as the hard one lets it, so that `count`
/// connections fit beside everything else.
void allow_connections(std::size_t count);

} // namespace anyclaude::gateway
