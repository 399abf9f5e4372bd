#include "launch/control_client.h"

#include "launch/unix_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace anyclaude::launch {

using Clock = std::chrono::steady_clock;

std::expected<ControlClient, int> ControlClient::connect(const std::filesystem::path& socket,
                                                         const Hello& hello) {
  const auto address = unix_address(socket);
  if (!address)
    return std::unexpected(ENAMETOOLONG);
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd)
    return std::unexpected(errno);
  // Blocking: a full backlog is waited for, it does not mean that nobody listens.
  if (::connect(fd.get(), as_sockaddr(*address), sizeof *address) != 0)
    return std::unexpected(errno);
  if (!is_same_user(fd.get()))
    return std::unexpected(EPERM);
  ControlClient client{LineChannel(std::move(fd))};
  if (!client.channel_.send(encode(hello)))
    return std::unexpected(ECONNREFUSED);
  return client;
}

bool ControlClient::receive() {
  const bool open = channel_.receive();
  while (const auto line = channel_.next_line()) {
    auto message = decode(*line);
    if (!message)
      return false;
    if (message->status) {
      status_ = std::move(*message->status);
      ++statuses_;
    } else if (message->session) {
      session_ = std::move(message->session);
    } else if (message->document) {
      document_ = std::move(message->document);
    }
  }
  return open;
}

std::expected<void, ControlFailure> ControlClient::wait(std::chrono::milliseconds timeout,
                                                        const std::function<bool()>& arrived) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (arrived())
      return {};
    int rest = -1;
    if (timeout.count() >= 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0)
        return std::unexpected(ControlFailure::timed_out);
      rest = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
    }
    const short events = channel_.has_unsent() ? POLLIN | POLLOUT : POLLIN;
    pollfd waiting{channel_.descriptor(), events, 0};
    if (::poll(&waiting, 1, rest) <= 0)
      continue;
    const bool sent = channel_.flush();
    const bool open = receive();
    if (arrived())
      return {};
    if (!sent || !open)
      return std::unexpected(ControlFailure::closed);
  }
}

std::expected<DaemonStatus, ControlFailure>
ControlClient::next_status(std::chrono::milliseconds timeout) {
  const int before = statuses_;
  auto waited = wait(timeout, [&] { return statuses_ > before; });
  if (!waited)
    return std::unexpected(waited.error());
  return status_;
}

std::expected<SessionNumbers, ControlFailure>
ControlClient::ask_session(std::chrono::milliseconds timeout) {
  session_.reset();
  if (!channel_.send(encode_session_question()))
    return std::unexpected(ControlFailure::closed);
  const auto waited = wait(timeout, [&] { return session_.has_value(); });
  if (waited && session_)
    return *session_;
  return std::unexpected(waited ? ControlFailure::closed : waited.error());
}

std::expected<std::string, ControlFailure> ControlClient::ask(const std::string& document,
                                                              std::chrono::milliseconds timeout,
                                                              const std::string& argument) {
  document_.reset();
  if (!channel_.send(encode(Question{document, argument})))
    return std::unexpected(ControlFailure::closed);
  const auto waited = wait(timeout, [&] { return document_ && document_->name == document; });
  if (waited && document_)
    return std::move(document_->content);
  return std::unexpected(waited ? ControlFailure::closed : waited.error());
}

bool ControlClient::wait_closed(std::chrono::milliseconds timeout) {
  const auto waited = wait(timeout, [] { return false; });
  return waited.error() == ControlFailure::closed;
}

} // namespace anyclaude::launch
