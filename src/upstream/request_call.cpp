#include "upstream/request_call.h"

#include "text/letter_case.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <vector>

namespace anyclaude::upstream {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kHeaderLimit = 256 * 1024;
constexpr std::size_t kReadSize = 16 * 1024;

/// A body that is handed on piece by piece as it is parsed.
struct PassedOnBody {
  struct value_type { // Beast's name
    RequestCall* call = nullptr;
  };

  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(http::header<isRequest, Fields>& /*head*/, value_type& body) : body_(&body) {}

    void init(const boost::optional<std::uint64_t>& /*length*/, error_code& error) { error = {}; }

    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t size = 0;
      for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
           ++it) {
        const asio::const_buffer part = *it;
        size += part.size();
        if (!body_->call->take_body({static_cast<const char*>(part.data()), part.size()}))
          error = asio::error::operation_aborted;
      }
      return size;
    }

    void finish(error_code& error) { error = {}; }

   private:
    value_type* body_; // set after the parser was made
  };
};

bool is_own_affair(std::string_view name) {
  return text::equal_ignoring_case(name, "connection") ||
         text::equal_ignoring_case(name, "transfer-encoding") ||
         text::equal_ignoring_case(name, "content-length");
}

/// A line break in a value would begin a header of its own.
void append_header(std::string& out, std::string_view name, std::string_view value) {
  for (const std::string_view text : {name, std::string_view(": "), value})
    for (const char c : text)
      if (c != '\r' && c != '\n' && c != '\0')
        out += c;
  out += "\r\n";
}

/// A peer whose machine is gone is noticed after about a minute.
void keep_alive(tcp::socket& socket) {
  error_code ignored;
  ignored = socket.set_option(tcp::no_delay(true), ignored);
  ignored = socket.set_option(asio::socket_base::keep_alive(true), ignored);
#ifdef TCP_KEEPIDLE
  const int descriptor = socket.native_handle();
  constexpr int kIdleSeconds = 30;
  constexpr int kIntervalSeconds = 10;
  constexpr int kProbes = 3;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof kIdleSeconds);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &kIntervalSeconds, sizeof kIntervalSeconds);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
#endif
#ifdef TCP_USER_TIMEOUT // the same for a peer that goes while a request is on its way to it
  constexpr int kUnconfirmedMilliseconds = 60'000;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnconfirmedMilliseconds,
               sizeof kUnconfirmedMilliseconds);
#endif
}

bool is_http_error(error_code error) {
  return error.category() == make_error_code(http::error::bad_version).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

} // namespace

RequestCall::RequestCall(CallContext& context, Request request, Handlers handlers)
    : context_(context), request_(std::move(request)),
      proxy_(context.proxies.proxy_for(request_.origin)), listening_(context.thread),
      handlers_(std::move(handlers)), resolver_(context.io), timer_(context.io) {}

void RequestCall::stop() {
  stopped_ = true;
  resolver_.cancel();
  timer_.cancel();
  if (connection_)
    connection_->close();
}

bool RequestCall::take_body(std::string_view data) {
  return listening_.tell([&] {
    if (handlers_.on_data)
      handlers_.on_data(data);
  });
}

void RequestCall::fail(FailureKind kind, const std::string& what) {
  listening_.tell([&] {
    if (handlers_.on_error)
      handlers_.on_error({kind, to_string(request_.origin) + ": " + what, received_});
  });
}

void RequestCall::fail(error_code error) {
  const Failure failure = failure_of(error);
  listening_.tell([&] {
    if (handlers_.on_error)
      handlers_.on_error(failure);
  });
}

/// Of an exchange, after a connection was made.
Failure RequestCall::failure_of(error_code error) const {
  Failure failure{FailureKind::closed, to_string(request_.origin) + ": ", received_};
  if (expired_) {
    failure.kind = FailureKind::timed_out;
    failure.message +=
        "nothing came for " + std::to_string(request_.idle_time.count() / 1000) + " s";
  } else if (is_http_error(error)) {
    failure.kind = FailureKind::malformed;
    failure.message += "the answer is not valid HTTP/1.1: " + error.message();
  } else if (error == http::error::end_of_stream || error == http::error::partial_message ||
             error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    failure.message += received_ ? "the server closed the connection in the middle of its answer"
                                 : "the server closed the connection without an answer";
  } else if (error == asio::error::timed_out) {
    failure.message += "the server's machine no longer answers";
  } else {
    failure.message += error.message();
  }
  return failure;
}

/// One timer for all waiting: it is set again only when it runs out too early, so that a read costs
/// no more than a look at the clock.
void RequestCall::arm(std::chrono::milliseconds time) {
  has_deadline_ = time.count() > 0;
  if (!has_deadline_)
    return;
  deadline_ = std::chrono::steady_clock::now() + time;
  if (!timer_runs_ || deadline_ < timer_.expiry())
    watch_deadline();
}

void RequestCall::watch_deadline() {
  timer_runs_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self)
      return;
    self->timer_runs_ = false;
    if (!self->has_deadline_)
      return;
    if (std::chrono::steady_clock::now() < self->deadline_)
      return self->watch_deadline();
    self->expired_ = true;
    self->resolver_.cancel();
    if (self->connection_)
      self->connection_->close();
  });
}

asio::awaitable<void> RequestCall::run() {
  const std::string key =
      to_string(request_.origin) + (proxy_ ? " by " + to_string(proxy_->origin) : std::string());
  try {
    for (bool again = true; again && !stopped_;) {
      connection_ = context_.pool.take(key);
      const bool reused = connection_ != nullptr;
      if (!reused) {
        arm(request_.connect_time);
        connection_ = co_await connect();
        disarm();
      }
      if (!connection_ || stopped_)
        break;
      again = co_await exchange(reused) == Outcome::stale;
      if (!again && connection_) // complete, and good for another
        context_.pool.put(key, std::move(connection_));
    }
  } catch (const std::exception& error) {
    spdlog::error("A request to {} ended by a fault of ours: {}", to_string(request_.origin),
                  error.what());
    fail(FailureKind::closed, "the request ended by a fault of anyclaude's: its log says more");
  }
  connection_.reset();
  timer_.cancel();
  handlers_ = {};
}

/// Null after it has said why.
asio::awaitable<std::unique_ptr<Connection>> RequestCall::connect() {
  connection_ = std::make_unique<Connection>(context_.io);
  connection_->buffer.reserve(kReadSize); // Beast reads as much at once as there is room for
  bool good = co_await reach(proxy_ ? proxy_->origin : request_.origin);
  if (good && request_.origin.tls) {
    if (proxy_)
      good = co_await tunnel(*proxy_);
    good = good && co_await secure();
  }
  co_return good ? std::move(connection_) : nullptr;
}

asio::awaitable<bool> RequestCall::reach(const Origin& target) {
  const std::string place = proxy_ ? "the proxy " + to_string(target) + ": " : std::string();
  const auto late = [&] {
    return "no connection within " + std::to_string(request_.connect_time.count()) + " ms";
  };
  std::vector<tcp::endpoint> endpoints;
  error_code error;
  const auto address = asio::ip::make_address(target.host, error);
  if (!error) {
    endpoints.emplace_back(address, target.port);
  } else {
    const auto [failed, found] = co_await resolver_.async_resolve(
        target.host, std::to_string(target.port), tcp::resolver::numeric_service, kAwait);
    if (failed || expired_) {
      fail(FailureKind::unreachable,
           place + (expired_ ? late() : "the name is not known: " + failed.message()));
      co_return false;
    }
    for (const auto& entry : found)
      endpoints.push_back(entry.endpoint());
  }
  const auto [failed, used] =
      co_await asio::async_connect(connection_->socket(), endpoints, kAwait);
  if (failed || expired_) {
    fail(FailureKind::unreachable, place + (expired_ ? late() : failed.message()));
    co_return false;
  }
  keep_alive(connection_->socket());
  co_return true;
}

/// RFC 9110, section 9.3.6
asio::awaitable<bool> RequestCall::tunnel(const Proxy& proxy) {
  const std::string target =
      request_.origin.host.contains(':') ? "[" + request_.origin.host + "]" : request_.origin.host;
  const std::string place = target + ":" + std::to_string(request_.origin.port);
  std::string head = "CONNECT " + place + " HTTP/1.1\r\n";
  append_header(head, "Host", place);
  if (!proxy.authorization.empty())
    append_header(head, "Proxy-Authorization", proxy.authorization);
  head += "\r\n";
  auto error = co_await write(head);
  http::response_parser<http::empty_body> parser;
  parser.skip(true); // what follows is the tunnel's
  if (!error)
    error = std::get<0>(
        co_await http::async_read_header(*connection_, connection_->buffer, parser, kAwait));
  const std::string name = "the proxy " + to_string(proxy.origin);
  if (error)
    fail(FailureKind::unreachable, name + ": " + error.message());
  else if (parser.get().result_int() / 100 != 2)
    fail(FailureKind::unreachable,
         name + " refuses with " + std::to_string(parser.get().result_int()));
  co_return !error && parser.get().result_int() / 100 == 2;
}

asio::awaitable<bool> RequestCall::secure() {
  auto& tls = connection_->begin_tls(context_.tls);
  error_code not_an_address;
  asio::ip::make_address(request_.origin.host, not_an_address);
  if (not_an_address) // server names are host names, RFC 6066
    SSL_ctrl(tls.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(request_.origin.host.c_str())); // the macro for it has a C cast
  tls.set_verify_mode(asio::ssl::verify_peer);
  tls.set_verify_callback(asio::ssl::host_name_verification(request_.origin.host));
  const auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::client, kAwait);
  if (!error)
    co_return true;
  const long verdict = SSL_get_verify_result(tls.native_handle());
  if (expired_)
    fail(FailureKind::unreachable, "no TLS connection in time");
  else if (verdict != X509_V_OK)
    fail(FailureKind::tls,
         std::string("its certificate is not trusted: ") + X509_verify_cert_error_string(verdict));
  else
    fail(FailureKind::tls, "no TLS connection: " + error.message());
  co_return false;
}

std::string RequestCall::head_text() const {
  const bool through_proxy = proxy_ && !request_.origin.tls;
  std::string head = request_.method + " " +
                     (through_proxy ? to_string(request_.origin) : std::string()) +
                     request_.target + " HTTP/1.1\r\n";
  if (header(request_.headers, "host").empty())
    append_header(head, "Host", authority(request_.origin));
  if (through_proxy && !proxy_->authorization.empty())
    append_header(head, "Proxy-Authorization", proxy_->authorization);
  bool coding = !request_.adds_accept_encoding;
  for (const auto& [name, value] : request_.headers) {
    coding = coding || text::equal_ignoring_case(name, "accept-encoding");
    if (!is_own_affair(name))
      append_header(head, name, value);
  }
  if (!coding)
    append_header(head, "Accept-Encoding", "identity");
  if (!request_.body.empty() || request_.method == "POST" || request_.method == "PUT" ||
      request_.method == "PATCH")
    append_header(head, "Content-Length", std::to_string(request_.body.size()));
  return head + "\r\n";
}

asio::awaitable<error_code> RequestCall::write(std::string_view bytes, std::string_view more) {
  while (!bytes.empty() || !more.empty()) {
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(bytes), asio::buffer(more)};
    const auto [error, size] = co_await connection_->async_write_some(parts, kAwait);
    if (error)
      co_return error;
    const std::size_t first = std::min(size, bytes.size());
    bytes.remove_prefix(first);
    more.remove_prefix(size - first);
    if (has_deadline_)
      arm(request_.idle_time);
  }
  co_return error_code();
}

/// A server that refuses a request early closes while it is still being sent; its answer says why,
/// so the answer is read either way.
asio::awaitable<void> RequestCall::write_request() {
  arm(request_.idle_time);
  const std::string head = head_text();
  co_await write(head, request_.body);
}

/// Sends the request and hands the answer on. Leaves connection_ where it can be used again.
asio::awaitable<RequestCall::Outcome> RequestCall::exchange(bool reused) {
  co_await write_request();
  boost::beast::flat_buffer& buffer = connection_->buffer;
  std::optional<http::response_parser<PassedOnBody>> parser;
  do { // interim answers are passed over
    parser.emplace();
    parser->header_limit(kHeaderLimit);
    parser->body_limit(boost::none);
    parser->get().body().call = this;
    parser->skip(request_.method == "HEAD");
    const auto [error, size] =
        co_await http::async_read_header(*connection_, buffer, *parser, kAwait);
    received_ = received_ || size > 0 || buffer.size() > 0;
    if (error) {
      connection_->close();
      if (reused && !received_ && !expired_ && !stopped_ && !listening_.ended())
        co_return Outcome::stale;
      fail(error);
      connection_.reset();
      co_return Outcome::failed;
    }
  } while (parser->get().result_int() / 100 == 1);

  Headers headers;
  for (const auto& field : parser->get())
    headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  bool heard = listening_.tell([&] {
    if (handlers_.on_head)
      handlers_.on_head(static_cast<int>(parser->get().result_int()), headers);
  });
  parser->eager(true);
  while (heard && !parser->is_done()) {
    arm(request_.idle_time);
    const auto [error, size] =
        co_await http::async_read_some(*connection_, buffer, *parser, kAwait);
    heard = !listening_.ended();
    if (error && heard) {
      fail(error);
      connection_.reset();
      co_return Outcome::failed;
    }
  }
  disarm();
  if (!heard || stopped_ || !parser->keep_alive() || buffer.size() > 0)
    connection_.reset();
  listening_.tell([&] {
    if (handlers_.on_end)
      handlers_.on_end();
  });
  co_return Outcome::done;
}

} // namespace anyclaude::upstream
