#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace anyclaude::gateway {

/// A client that shares no code with the server: a socket and the few rules of HTTP it needs.
/// Every wait ends after some seconds with what has arrived by then, so that a test fails rather
/// than hangs.
class RawClient {
 public:
  struct Response {
    int status = 0; // 0: the connection ended, or time was up, before a complete head
    std::map<std::string, std::string> headers; // names in lower case
    std::string body;
    bool complete = false; // the body ended as its framing says
  };

  explicit RawClient(std::uint16_t port, int receive_buffer = 0);
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient(RawClient&& other) noexcept;

  bool connected() const { return descriptor_ >= 0; }
  /// False when the server has closed the connection.
  bool send(std::string_view bytes);
  Response receive(bool head_request = false);
  /// Reads until `text` has arrived; returns everything up to and with it, or what there is.
  std::string receive_until(std::string_view text);
  /// Whether the server closes the connection within `time`, whatever it sends before.
  bool closed_by_server(std::chrono::milliseconds time = std::chrono::seconds(10));

  void close();          // FIN
  void reset();          // RST
  void finish_sending(); // FIN, but still reads

 private:
  bool fill(); // more bytes into pending_
  std::optional<std::string> take_line();
  bool take(std::size_t size, std::string& out);
  void take_chunks(Response& response);

  int descriptor_ = -1;
  std::string pending_;
};

inline constexpr int kPatience = 20'000; // milliseconds

inline std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

inline RawClient::RawClient(std::uint16_t port, int receive_buffer) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) {
    return;
  }
  if (receive_buffer > 0) {
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close();
  }
}

inline RawClient::RawClient(RawClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), pending_(std::move(other.pending_)) {}

inline void RawClient::close() {
  if (descriptor_ >= 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

inline void RawClient::reset() {
  const linger now{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

inline void RawClient::finish_sending() {
  ::shutdown(descriptor_, SHUT_WR);
}

inline bool RawClient::send(std::string_view bytes) {
  if (descriptor_ < 0) {
    return false;
  }
  while (!bytes.empty()) {
    const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

inline bool RawClient::fill() {
  pollfd waiting{descriptor_, POLLIN, 0};
  if (descriptor_ < 0 || ::poll(&waiting, 1, kPatience) <= 0) {
    return false;
  }
  char bytes[65536];
  const auto size = ::recv(descriptor_, bytes, sizeof bytes, 0);
  if (size <= 0) {
    return false;
  }
  pending_.append(bytes, static_cast<std::size_t>(size));
  return true;
}

inline std::optional<std::string> RawClient::take_line() {
  auto end = pending_.find("\r\n");
  while (end == std::string::npos) {
    if (!fill()) {
      return std::nullopt;
    }
    end = pending_.find("\r\n");
  }
  std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 2);
  return line;
}

inline bool RawClient::take(std::size_t size, std::string& out) {
  while (pending_.size() < size && fill()) {
  }
  const std::size_t there = std::min(size, pending_.size());
  out.append(pending_, 0, there);
  pending_.erase(0, there);
  return there == size;
}

inline void RawClient::take_chunks(Response& response) {
  while (const auto line = take_line()) {
    const auto size = static_cast<std::size_t>(std::stoul(*line, nullptr, 16));
    if (!take(size, response.body)) {
      return;
    }
    const auto end = take_line();
    if (!end || !end->empty()) {
      return;
    }
    if (size == 0) {
      response.complete = true;
      return;
    }
  }
}

inline RawClient::Response RawClient::receive(bool head_request) {
  Response response;
  const auto status = take_line();
  if (!status || !status->starts_with("HTTP/1.1 ")) {
    return response;
  }
  for (auto line = take_line(); line && !line->empty(); line = take_line()) {
    const auto colon = line->find(": ");
    response.headers[lower_case(line->substr(0, colon))] = line->substr(colon + 2);
  }
  response.status = std::stoi(status->substr(9));
  if (head_request || response.status == 204 || response.status < 200) {
    response.complete = true;
  } else if (response.headers.contains("transfer-encoding")) {
    take_chunks(response);
  } else if (response.headers.contains("content-length")) {
    response.complete = take(std::stoul(response.headers["content-length"]), response.body);
  } else {
    while (fill()) {
    }
    response.body = std::exchange(pending_, {});
    response.complete = true;
  }
  return response;
}

inline std::string RawClient::receive_until(std::string_view text) {
  while (pending_.find(text) == std::string::npos && fill()) {
  }
  const auto at = pending_.find(text);
  const auto size = at == std::string::npos ? pending_.size() : at + text.size();
  std::string out = pending_.substr(0, size);
  pending_.erase(0, size);
  return out;
}

inline bool RawClient::closed_by_server(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  char bytes[65536];
  while (std::chrono::steady_clock::now() < until) {
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, 50) > 0 && ::recv(descriptor_, bytes, sizeof bytes, 0) <= 0) {
      return true;
    }
  }
  return false;
}

/// Waits until `condition` holds; false after ten seconds.
template <typename Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

} // namespace anyclaude::gateway
