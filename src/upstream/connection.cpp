#include "upstream/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace anyclaude::upstream {

void Connection::close() {
  boost::system::error_code ignored;
  ignored = socket_.close(ignored);
}

bool Connection::is_quiet() {
  char byte = 0;
  const auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

std::unique_ptr<Connection> ConnectionPool::take(const std::string& key) {
  const auto found = idle_.find(key);
  if (found == idle_.end())
    return nullptr;
  std::unique_ptr<Connection> taken;
  while (!taken && !found->second.empty()) {
    taken = std::move(found->second.back().connection);
    found->second.pop_back();
    if (!taken->is_quiet())
      taken.reset();
  }
  if (found->second.empty())
    idle_.erase(found);
  return taken;
}

void ConnectionPool::put(const std::string& key, std::unique_ptr<Connection> connection) {
  auto& of_server = idle_[key];
  if (of_server.size() < limit_)
    of_server.push_back({std::move(connection), std::chrono::steady_clock::now()});
  sweep();
}

/// Closes what has been idle for too long, now and until nothing is left.
void ConnectionPool::sweep() {
  if (sweeping_)
    return;
  const auto oldest = std::chrono::steady_clock::now() - keep_;
  std::erase_if(idle_, [&](auto& of_server) {
    std::erase_if(of_server.second, [&](const Idle& idle) { return idle.since <= oldest; });
    return of_server.second.empty();
  });
  if (idle_.empty())
    return;
  sweeping_ = true;
  sweep_.expires_after(std::max(keep_, std::chrono::milliseconds(10)));
  sweep_.async_wait([this](boost::system::error_code error) {
    sweeping_ = false;
    if (!error)
      sweep();
  });
}

} // namespace anyclaude::upstream
