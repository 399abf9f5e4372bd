#include "launch/control_server.h"

#include "launch/line_channel.h"
#include "launch/unix_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <format>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace anyclaude::launch {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kConnections = 256;

struct Connection {
  explicit Connection(Descriptor socket) : channel(std::move(socket)) {}
  LineChannel channel;
  std::optional<Hello> hello;
  bool attached() const { return hello && hello->attach; }
};

class ThreadedControlServer final : public ControlServer {
 public:
  ThreadedControlServer(ControlListener listener, ControlCallbacks callbacks, ControlTimes times,
                        Pipe wake)
      : listener_(std::move(listener)), callbacks_(std::move(callbacks)), times_(times),
        wake_(std::move(wake)) {
    if (callbacks_.on_last_detached)
      end_at_ = Clock::now() + times_.first_launcher;
    thread_ = std::thread([this] { serve(); });
  }

  ~ThreadedControlServer() override {
    stop_ = true;
    wake();
    thread_.join();
    ::unlink(listener_.path.c_str()); // while the lock is still ours
  }

  void status_changed() override {
    push_ = true;
    wake();
  }

  std::size_t attached() const override { return attached_; }

 private:
  void wake() {
    // A full pipe wakes the thread as well.
    [[maybe_unused]] const auto written = ::write(wake_.write.get(), "", 1);
  }

  void serve() {
    while (!stop_) {
      std::vector<pollfd> waiting = descriptors();
      if (::poll(waiting.data(), waiting.size(), milliseconds_until_end()) < 0 && errno != EINTR)
        break;
      drain_wake_pipe();
      serve_connections(waiting);
      if ((waiting[1].revents & POLLIN) != 0)
        accept_all();
      count_attached();
      if (push_.exchange(false))
        push_status();
      end_if_alone();
    }
    connections_.clear();
  }

  std::vector<pollfd> descriptors() const {
    std::vector<pollfd> waiting;
    waiting.push_back({wake_.read.get(), POLLIN, 0});
    // With every place taken, the others wait in the backlog.
    const bool room = connections_.size() < kConnections;
    waiting.push_back({room ? listener_.socket.get() : -1, POLLIN, 0});
    for (const auto& connection : connections_) {
      const short events = connection->channel.has_unsent() ? POLLIN | POLLOUT : POLLIN;
      waiting.push_back({connection->channel.descriptor(), events, 0});
    }
    return waiting;
  }

  int milliseconds_until_end() const {
    if (!end_at_)
      return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end_at_ - Clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
  }

  void drain_wake_pipe() {
    char buffer[256];
    while (::read(wake_.read.get(), buffer, sizeof buffer) > 0) {
    }
  }

  void accept_all() {
    while (connections_.size() < kConnections) {
      Descriptor socket(::accept(listener_.socket.get(), nullptr, nullptr));
      if (!socket)
        return;
      if (!ending_ && is_same_user(socket.get()))
        connections_.push_back(std::make_unique<Connection>(std::move(socket)));
    }
  }

  void serve_connections(const std::vector<pollfd>& waiting) {
    for (std::size_t i = 0; i + 2 < waiting.size(); ++i)
      if (waiting[i + 2].revents != 0 && !serve_one(*connections_[i]))
        connections_[i].reset();
    std::erase(connections_, nullptr);
  }

  /// False when the connection has ended.
  bool serve_one(Connection& connection) {
    const bool open = connection.channel.receive();
    while (const auto line = connection.channel.next_line()) {
      const auto message = decode(*line);
      if (!message || !answer(connection, *message))
        return false;
    }
    return open && connection.channel.flush();
  }

  bool answer(Connection& connection, const ControlMessage& message) {
    if (message.hello) {
      connection.hello = message.hello;
      count_attached();
      return connection.channel.send(encode(status()));
    }
    if (message.asks_session && connection.hello && callbacks_.session)
      return connection.channel.send(encode(callbacks_.session(connection.hello->session)));
    if (!message.question || !connection.hello || !callbacks_.document)
      return true;
    const auto& [name, argument] = *message.question;
    auto content = callbacks_.document(name, argument);
    return !content || connection.channel.send(encode(Document{name, *std::move(content)}));
  }

  DaemonStatus status() const {
    DaemonStatus status = callbacks_.status();
    status.attached = static_cast<int>(attached_.load());
    status.launcher_started = callbacks_.on_last_detached != nullptr;
    return status;
  }

  void push_status() {
    const std::string text = encode(status());
    for (auto& connection : connections_)
      if (connection->hello && !connection->channel.send(text))
        connection.reset();
    std::erase(connections_, nullptr);
    count_attached();
  }

  void count_attached() {
    const auto now = static_cast<std::size_t>(std::ranges::count_if(
        connections_, [](const auto& connection) { return connection && connection->attached(); }));
    const std::size_t before = attached_.exchange(now);
    if (!callbacks_.on_last_detached || ending_)
      return;
    if (now > 0)
      end_at_.reset();
    else if (before > 0)
      end_at_ = Clock::now() + times_.grace;
  }

  void end_if_alone() {
    if (!end_at_ || Clock::now() < *end_at_)
      return;
    end_at_.reset();
    ending_ = true;
    connections_.clear();
    callbacks_.on_last_detached();
  }

  ControlListener listener_;
  ControlCallbacks callbacks_;
  ControlTimes times_;
  Pipe wake_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> push_ = false;
  std::atomic<std::size_t> attached_ = 0;

  // The thread's own.
  std::vector<std::unique_ptr<Connection>> connections_;
  std::optional<Clock::time_point> end_at_;
  bool ending_ = false;

  std::thread thread_; // last: it starts when everything else stands
};

} // namespace

std::expected<std::unique_ptr<ControlServer>, std::string>
ControlServer::start(ControlListener listener, ControlCallbacks callbacks, ControlTimes times) {
  Pipe wake = make_pipe();
  if (!wake.read)
    return std::unexpected(
        std::format("cannot start the control server: {}", std::strerror(errno)));
  try {
    return std::make_unique<ThreadedControlServer>(std::move(listener), std::move(callbacks), times,
                                                   std::move(wake));
  } catch (const std::system_error& failed) {
    return std::unexpected(
        std::format("cannot start the control server's thread: {}", failed.what()));
  }
}

} // namespace anyclaude::launch
