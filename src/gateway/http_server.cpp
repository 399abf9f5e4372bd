#include "gateway/http_server.h"

#include "gateway/http_connection.h"
#include "gateway/http_text.h"
#include "gateway/listen_socket.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>
#include <thread>
#include <unordered_map>

namespace anyclaude::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

/// Errors of accept() that concern this machine, not one client: no descriptors, no memory.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

class AsioServer : public HttpServer {
 public:
  AsioServer(HttpOptions options, const ListenSocket& listening, HeadFilter filter, Handler handler,
             MakeError make_error)
      : options_(std::move(options)), filter_(std::move(filter)), handler_(std::move(handler)),
        make_error_(std::move(make_error)), port_(listening.port),
        acceptor_(io_, listening.family == AF_INET6 ? tcp::v6() : tcp::v4(), listening.descriptor),
        retry_(io_), gate_(std::make_shared<Gate>(io_)),
        workers_(static_cast<std::size_t>(std::max(options_.workers, 1))),
        context_{io_,
                 gate_,
                 options_.limits,
                 filter_,
                 make_error_,
                 [this](HttpRequest request, std::shared_ptr<Responder> responder,
                        std::shared_ptr<Exchange> exchange) {
                   dispatch(std::move(request), std::move(responder), std::move(exchange));
                 }} {
    asio::co_spawn(io_, accept_all(), asio::detached);
    thread_ = std::thread([this] { serve_sockets(); });
  }

  /// First the clients are told off, so that running handlers find nobody to work for; then the
  /// handlers end; only then is the way onto the socket thread closed, since they use it.
  ~AsioServer() override {
    asio::post(io_, [this] { stop_sockets(); });
    workers_.stop(); // handlers that have not begun never do
    workers_.join();
    gate_->close();
    work_.reset();
    thread_.join();
  }

  std::uint16_t port() const override { return port_; }
  std::size_t open_connections() const override { return open_; }

 private:
  void serve_sockets();
  asio::awaitable<void> accept_all();
  void accept_waiting();
  void pause_accepting(int shortage);
  void take(int descriptor);
  void turn_away(tcp::socket socket);
  void stop_sockets();
  void dispatch(HttpRequest request, std::shared_ptr<Responder> responder,
                std::shared_ptr<Exchange> exchange);

  const HttpOptions options_;
  const HeadFilter filter_;
  const Handler handler_;
  const MakeError make_error_;
  const std::uint16_t port_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::shared_ptr<Gate> gate_;
  asio::thread_pool workers_;
  ConnectionContext context_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections_; // socket thread
  std::uint64_t next_connection_ = 0;
  int shortage_ = 0; // the errno last reported; 0 after a success
  bool stopping_ = false;
  std::atomic<std::size_t> open_ = 0;
  std::thread thread_;
};

/// What fails here and was caught nowhere (without memory it can be anything) concerns one
/// connection.
void AsioServer::serve_sockets() {
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception& error) {
      spdlog::error("A connection failed by a fault of the server: {}", error.what());
    }
  }
}

asio::awaitable<void> AsioServer::accept_all() {
  while (!stopping_) {
    const auto [error] = co_await acceptor_.async_wait(tcp::acceptor::wait_read, kAwait);
    if (error || stopping_) {
      break;
    }
    try {
      accept_waiting();
    } catch (const std::bad_alloc&) {
      pause_accepting(ENOMEM);
    }
    if (shortage_ != 0) {
      // The waiting client keeps the listening socket readable: without a pause this would spin.
      retry_.expires_after(std::chrono::milliseconds(100));
      co_await retry_.async_wait(kAwait);
    }
  }
}

/// Takes what waits, in bounded batches, so that clients in a storm of new ones are still served.
void AsioServer::accept_waiting() {
  constexpr int kBatch = 64;
  for (int i = 0; i < kBatch; ++i) {
    const auto descriptor = accept_connection(acceptor_.native_handle());
    if (descriptor) {
      shortage_ = 0;
      take(*descriptor);
      continue;
    }
    if (is_shortage(descriptor.error())) {
      return pause_accepting(descriptor.error());
    }
    if (descriptor.error() == EAGAIN || descriptor.error() == EWOULDBLOCK) {
      return;
    }
    // Anything else concerns one client that left before it was served: on to the next.
  }
}

void AsioServer::pause_accepting(int shortage) {
  if (std::exchange(shortage_, shortage) == 0) {
    spdlog::warn("Cannot accept connections for now: {}. {} are open.",
                 std::generic_category().message(shortage), open_.load());
  }
}

void AsioServer::take(int descriptor) {
  error_code error;
  tcp::socket socket(io_);
  if (socket.assign(acceptor_.local_endpoint(error).protocol(), descriptor, error)) {
    ::close(descriptor);
    return;
  }
  if (connections_.size() >= options_.limits.connections) {
    turn_away(std::move(socket));
    return;
  }
  const std::uint64_t id = next_connection_++;
  connections_.emplace(id, Connection::serve(context_, std::move(socket), [this, id] {
                         connections_.erase(id);
                         open_ = connections_.size();
                       }));
  open_ = connections_.size();
}

/// A small answer fits the socket's buffer, so nothing needs to wait for it.
void AsioServer::turn_away(tcp::socket socket) {
  const ErrorAnswer answer =
      make_error_(503, "The server serves as many connections as it may. Try again later.");
  const std::string bytes = answer_head({.status = 503,
                                         .headers = answer.headers,
                                         .length = answer.body.size(),
                                         .keep_alive = false}) +
                            answer.body;
  error_code ignored;
  socket.write_some(asio::buffer(bytes), ignored);
  ignored = socket.shutdown(tcp::socket::shutdown_both, ignored);
}

void AsioServer::stop_sockets() {
  stopping_ = true;
  error_code ignored;
  ignored = acceptor_.close(ignored);
  retry_.cancel();
  for (const auto& [id, connection] : connections_) {
    connection->stop();
  }
}

void AsioServer::dispatch(HttpRequest request, std::shared_ptr<Responder> responder,
                          std::shared_ptr<Exchange> exchange) {
  asio::post(workers_, [this, request = std::move(request), responder = std::move(responder),
                        exchange = std::move(exchange)]() mutable {
    try {
      handler_(std::move(request), responder);
    } catch (const std::exception& error) {
      spdlog::error("A handler failed: {}", error.what());
      gate_->post([exchange] {
        exchange->abandon("The server failed while it answered. Its log says more.");
      });
    }
  });
}

} // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) {
      return value;
    }
  }
  return {};
}

std::expected<std::unique_ptr<HttpServer>, std::string>
HttpServer::start(HttpOptions options, HeadFilter filter, Handler handler, MakeError make_error) {
  allow_connections(2 * options.limits.connections); // each may need one to another server
  const auto listening = listen_on(options.host, options.port);
  if (!listening) {
    return std::unexpected(listening.error());
  }
  return std::make_unique<AsioServer>(std::move(options), *listening, std::move(filter),
                                      std::move(handler), std::move(make_error));
}

} // namespace anyclaude::gateway
