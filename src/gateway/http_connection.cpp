#include "gateway/http_connection.h"

#include "gateway/http_text.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <string>

namespace anyclaude::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

/// Operations return their error instead of throwing it.
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

/// Why a request cannot be served. Status 0: nobody is there to be told.
struct Refusal {
  int status = 0;
  std::string message;
};

std::string size_text(std::size_t bytes) {
  constexpr std::size_t kMebibyte = 1024 * 1024;
  return bytes >= kMebibyte && bytes % kMebibyte == 0 ? std::to_string(bytes / kMebibyte) + " MiB"
                                                      : std::to_string(bytes) + " bytes";
}

/// A target in absolute form ("http://host/path") names the same resource, RFC 9112 section 3.2.2.
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() >= scheme.size() &&
        equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      const auto slash = target.find('/', scheme.size());
      return slash == std::string_view::npos ? "/" : target.substr(slash);
    }
  }
  return target;
}

HttpRequest head_of(const Parser& parser, const std::string& remote) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = message.method_string();
  const std::string_view target =
      origin_form(std::string_view(message.target().data(), message.target().size()));
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) {
    request.query = target.substr(question + 1);
  }
  for (const auto& field : message) {
    request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  request.remote = remote;
  return request;
}

class ServedConnection : public Connection, public std::enable_shared_from_this<ServedConnection> {
 public:
  ServedConnection(ConnectionContext& context, tcp::socket socket)
      : context_(context), limits_(context.limits), socket_(std::move(socket)),
        deadline_(context.io), wake_(context.io), buffer_(limits_.header_bytes + kReadSize) {
    error_code error;
    const auto peer = socket_.remote_endpoint(error);
    if (!error) {
      const std::string address = peer.address().to_string();
      remote_ = (peer.address().is_v6() ? "[" + address + "]" : address) + ":" +
                std::to_string(peer.port());
    }
  }

  void stop() override {
    stopped_ = true;
    drop();
  }

  asio::awaitable<void> run();

 private:
  static constexpr std::size_t kReadSize = 64 * 1024;

  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> first_byte();
  asio::awaitable<std::optional<Refusal>> read_head(Parser& parser);
  asio::awaitable<std::optional<Refusal>> read_body(Parser& parser);
  std::optional<Refusal> check_length(const Parser& parser) const;
  asio::awaitable<void> send_continue(const Parser& parser);
  asio::awaitable<void> refuse(Exchange& exchange, Refusal refusal);
  asio::awaitable<void> deliver(Exchange& exchange);
  asio::awaitable<bool> send(std::string bytes);
  asio::awaitable<void> watch();
  asio::awaitable<void> linger();
  std::optional<Refusal> refusal_for(error_code error, const char* what) const;
  std::shared_ptr<Exchange> make_exchange(Exchange::Traits traits);
  bool passes_filter(HttpRequest& request, Responder& responder);
  void arm(std::chrono::seconds time);
  void disarm();
  void drop();

  ConnectionContext& context_;
  const HttpLimits& limits_;
  tcp::socket socket_;
  asio::steady_timer deadline_;
  asio::steady_timer wake_; // waited for without end; cancelled to wake the coroutine
  asio::cancellation_signal stop_watch_;
  beast::flat_buffer buffer_; // what was read and not yet used, pipelined requests included
  std::shared_ptr<Exchange> exchange_;
  std::string remote_;
  unsigned deadline_round_ = 0;
  bool expired_ = false;
  bool watching_ = false;
  bool delivered_ = false; // the answer under way is out
  bool first_request_ = true;
  /// The client has closed its sending side. To be remembered: Asio never wakes a read that begins
  /// behind the one which told of the end.
  bool client_ended_ = false;
  bool stopped_ = false;
};

void ServedConnection::arm(std::chrono::seconds time) {
  expired_ = false;
  deadline_.expires_after(time);
  deadline_.async_wait([weak = weak_from_this(), round = ++deadline_round_](error_code error) {
    const auto self = weak.lock();
    if (!error && self && self->deadline_round_ == round) {
      self->expired_ = true;
      error_code ignored;
      ignored = self->socket_.cancel(ignored);
    }
  });
}

void ServedConnection::disarm() {
  ++deadline_round_; // an expiry that is already queued is void
  deadline_.cancel();
}

/// Closes the socket; every pending operation ends with an error.
void ServedConnection::drop() {
  if (exchange_) {
    exchange_->cut();
  }
  error_code ignored;
  ignored = socket_.close(ignored);
  deadline_.cancel();
  wake_.cancel();
}

asio::awaitable<void> ServedConnection::run() {
  try {
    while (!stopped_ && co_await serve_one()) {
      first_request_ = false;
    }
    if (!stopped_) {
      co_await linger();
    }
  } catch (const std::exception& error) {
    spdlog::error("A connection ended by a fault of the server: {}", error.what());
  }
  drop();
  exchange_.reset();
}

/// One request and its answer. Returns whether the connection goes on.
asio::awaitable<bool> ServedConnection::serve_one() {
  if (!co_await first_byte()) {
    stopped_ = true; // nobody waits for an answer: no need to linger
    co_return false;
  }
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
  parser.body_limit(boost::none); // decided below, so that the filter comes first
  const auto bad_head = co_await read_head(parser);
  const bool sound = !bad_head;
  const auto exchange =
      make_exchange({.head_request = sound && parser.get().method() == http::verb::head,
                     .http_1_0 = sound && parser.get().version() < 11,
                     .keep_alive = sound && parser.get().keep_alive()});
  if (bad_head) {
    co_await refuse(*exchange, *bad_head);
    co_return false;
  }
  HttpRequest request = head_of(parser, remote_);
  auto responder = make_responder(context_.gate, exchange);
  if (!parser.is_done()) {
    exchange->close_after(); // the body stays unread if the filter refuses
  }
  if (!passes_filter(request, *responder)) {
    responder.reset();
    co_await deliver(*exchange);
    co_return exchange->keep_alive();
  }
  if (!parser.is_done()) {
    auto bad_body = check_length(parser);
    if (!bad_body) {
      co_await send_continue(parser);
      bad_body = co_await read_body(parser);
    }
    if (bad_body) {
      co_await refuse(*exchange, *bad_body);
      co_return false;
    }
    exchange->stay_open(parser.get().keep_alive());
  }
  request.body = std::move(parser.get().body());
  context_.dispatch(std::move(request), std::move(responder), exchange);
  co_await deliver(*exchange);
  co_return exchange->keep_alive();
}

std::shared_ptr<Exchange> ServedConnection::make_exchange(Exchange::Traits traits) {
  exchange_ =
      std::make_shared<Exchange>(context_.io, traits, limits_.unsent_bytes, context_.make_error);
  exchange_->set_wake([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->exchange_ && self->exchange_->broken()) {
      self->drop(); // a write may be under way that never ends by itself
    } else if (self) {
      self->wake_.cancel();
    }
  });
  return exchange_;
}

bool ServedConnection::passes_filter(HttpRequest& request, Responder& responder) {
  try {
    return context_.filter(request, responder);
  } catch (const std::exception& error) {
    spdlog::error("The check of a request's head failed: {}", error.what());
    return false; // unanswered, so it becomes a 500
  }
}

/// Waits for a request to begin; an idle connection is closed without a word.
asio::awaitable<bool> ServedConnection::first_byte() {
  if (buffer_.size() == 0 && !client_ended_) {
    arm(first_request_ ? limits_.header_time : limits_.idle_time);
    const auto [error, size] =
        co_await socket_.async_read_some(buffer_.prepare(kReadSize / 16), kAwait);
    disarm();
    buffer_.commit(size);
  }
  co_return buffer_.size() > 0 && !stopped_;
}

std::optional<Refusal> ServedConnection::refusal_for(error_code error, const char* what) const {
  if (!error) {
    return std::nullopt;
  }
  if (expired_) {
    return Refusal{408,
                   std::string("The ") + what + " did not arrive in time. Send the request again."};
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refusal{431, "The request's headers are larger than " + size_text(limits_.header_bytes) +
                            ". Send fewer or shorter ones."};
  }
  if (error == http::error::body_limit) {
    return Refusal{413, "The request's body is larger than " + size_text(limits_.body_bytes) +
                            ". Send less."};
  }
  const bool malformed = error.category() == make_error_code(http::error::bad_method).category() &&
                         error != http::error::end_of_stream &&
                         error != http::error::partial_message;
  if (malformed) {
    return Refusal{400,
                   std::string("The ") + what + " is not valid HTTP/1.1: " + error.message() + "."};
  }
  return Refusal{}; // the client left
}

asio::awaitable<std::optional<Refusal>> ServedConnection::read_head(Parser& parser) {
  arm(limits_.header_time);
  const auto [error, size] = co_await http::async_read_header(socket_, buffer_, parser, kAwait);
  disarm();
  co_return refusal_for(error, "head of the request");
}

std::optional<Refusal> ServedConnection::check_length(const Parser& parser) const {
  const auto length = parser.content_length();
  if (length && *length > limits_.body_bytes) {
    return refusal_for(make_error_code(http::error::body_limit), "body of the request");
  }
  return std::nullopt;
}

asio::awaitable<void> ServedConnection::send_continue(const Parser& parser) {
  const auto expect = parser.get()[http::field::expect];
  if (parser.get().version() >= 11 &&
      equal_ignoring_case(std::string_view(expect.data(), expect.size()), "100-continue")) {
    co_await send("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

asio::awaitable<std::optional<Refusal>> ServedConnection::read_body(Parser& parser) {
  parser.body_limit(limits_.body_bytes);
  arm(limits_.body_time);
  // Beast reads as much at once as the buffer has room for.
  const auto length = parser.content_length();
  buffer_.reserve(length ? std::min<std::size_t>(buffer_.size() + *length, kReadSize) : kReadSize);
  const auto [error, size] = co_await http::async_read(socket_, buffer_, parser, kAwait);
  buffer_.shrink_to_fit(); // a connection may be idle for long
  disarm();
  co_return refusal_for(error, "body of the request");
}

asio::awaitable<void> ServedConnection::refuse(Exchange& exchange, Refusal refusal) {
  exchange.close_after();
  if (refusal.status == 0) {
    stopped_ = true;
    co_return;
  }
  const ErrorAnswer answer = context_.make_error(refusal.status, refusal.message);
  exchange.respond(refusal.status, answer.headers, answer.body);
  co_await deliver(exchange);
}

/// Sends what the exchange has until it ends, and watches the client meanwhile.
asio::awaitable<void> ServedConnection::deliver(Exchange& exchange) {
  watching_ = true;
  delivered_ = false;
  asio::co_spawn(
      context_.io, [self = shared_from_this()] { return self->watch(); },
      asio::bind_cancellation_slot(stop_watch_.slot(), asio::detached));
  while (!exchange.broken()) {
    if (exchange.has_output()) {
      if (!co_await send(exchange.take_output())) {
        drop();
      }
    } else if (exchange.ended()) {
      break;
    } else {
      wake_.expires_at(asio::steady_timer::time_point::max());
      co_await wake_.async_wait(kAwait);
    }
  }
  delivered_ = true; // for a watch that has not yet begun
  stop_watch_.emit(asio::cancellation_type::terminal);
  if (exchange.broken()) {
    stopped_ = true;
    drop();
  }
  while (watching_) {
    wake_.expires_at(asio::steady_timer::time_point::max());
    co_await wake_.async_wait(kAwait);
  }
  exchange.set_wake(nullptr);
  exchange_.reset();
}

/// Each piece that the client takes gives it the full write time again.
asio::awaitable<bool> ServedConnection::send(std::string bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    if (exchange_) {
      exchange_->set_in_flight(bytes.size() - sent);
    }
    arm(limits_.write_time);
    const auto [error, size] =
        co_await socket_.async_write_some(asio::buffer(bytes) + sent, kAwait);
    disarm();
    if (error) {
      co_return false;
    }
    sent += size;
  }
  if (exchange_) {
    exchange_->set_in_flight(0);
  }
  co_return true;
}

/// Reads while an answer is made, since only a read tells that the client left. What arrives is the
/// next request, kept for later; a client that sends more than a head's worth of them early is not
/// watched any further, and its leaving shows when something is written to it.
asio::awaitable<void> ServedConnection::watch() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!delivered_ && buffer_.size() < limits_.header_bytes) {
    const std::size_t room = std::min(limits_.header_bytes - buffer_.size(), kReadSize / 16);
    const auto [error, size] = co_await socket_.async_read_some(buffer_.prepare(room), kAwait);
    buffer_.commit(size);
    if (error == asio::error::operation_aborted) {
      break;
    }
    if (error) {
      client_ended_ = error == asio::error::eof;
      if (client_ended_ && exchange_) {
        // It may have closed its sending side only: what is ready is still sent to it.
        exchange_->client_left();
      } else {
        drop();
      }
      break;
    }
  }
  watching_ = false;
  wake_.cancel();
}

/// Closing a socket with unread data in it resets the connection, and the client may never read the
/// answer. So the end is announced first, and what the client still sends is thrown away for a
/// while.
asio::awaitable<void> ServedConnection::linger() {
  error_code ignored;
  ignored = socket_.shutdown(tcp::socket::shutdown_send, ignored);
  const auto until = std::chrono::steady_clock::now() + limits_.body_time;
  std::vector<char> waste(kReadSize);
  while (!stopped_ && std::chrono::steady_clock::now() < until) {
    arm(limits_.linger_time);
    const auto [error, size] = co_await socket_.async_read_some(asio::buffer(waste), kAwait);
    disarm();
    if (error) {
      break;
    }
  }
}

} // namespace

std::shared_ptr<Connection> Connection::serve(ConnectionContext& context, tcp::socket socket,
                                              std::function<void()> done) {
  auto connection = std::make_shared<ServedConnection>(context, std::move(socket));
  asio::co_spawn(
      context.io, [connection] { return connection->run(); },
      [done = std::move(done)](const std::exception_ptr&) { done(); });
  return connection;
}

} // namespace anyclaude::gateway
