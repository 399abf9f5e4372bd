#include "upstream/client.h"

#include "text/letter_case.h"
#include "upstream/request_call.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdlib>
#include <future>
#include <mutex>
#include <system_error>

namespace anyclaude::upstream {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

void trust_file(asio::ssl::context& tls, const std::filesystem::path& file) {
  error_code error;
  if (tls.load_verify_file(file.string(), error))
    spdlog::warn("the certificate authorities in {} are not used: {}", file.string(),
                 error.message());
}

/// OpenSSL knows the folder of the system that it was built for; the program may run on another.
void trust_system(asio::ssl::context& tls) {
  error_code ignored;
  ignored = tls.set_default_verify_paths(ignored);
  constexpr std::array kBundles{"/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
                                "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
                                "/etc/ssl/ca-bundle.pem",             // SUSE
                                "/etc/ssl/cert.pem"};                 // macOS, BSD
  for (const char* bundle : kBundles) {
    std::error_code missing;
    if (std::filesystem::exists(bundle, missing))
      return trust_file(tls, bundle);
  }
}

asio::ssl::context make_tls(const ClientOptions& options) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(tls.native_handle(), kProtocols.data(), kProtocols.size());
  if (std::getenv("SSL_CERT_FILE") == nullptr)
    trust_system(tls);
  else if (error_code error; tls.set_default_verify_paths(error))
    spdlog::warn("the system's certificate authorities are not used: {}", error.message());
  if (const char* extra = std::getenv("NODE_EXTRA_CA_CERTS"); extra != nullptr && *extra != '\0')
    trust_file(tls, extra);
  if (!options.ca_file.empty())
    trust_file(tls, options.ca_file);
  return tls;
}

} // namespace

std::string_view header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (text::equal_ignoring_case(key, name))
      return value;
  return {};
}

/// The thread and all that it uses.
class Client::Loop {
 public:
  explicit Loop(const ClientOptions& options)
      : tls_(make_tls(options)),
        proxies_(options.proxy_from_environment
                     ? ProxyRules([](const char* name) { return std::getenv(name); })
                     : ProxyRules()),
        pool_(io_, options.idle_connections, options.keep_idle) {
    thread_ = std::thread([this] {
      id_ = std::this_thread::get_id();
      io_.run();
    });
  }

  ~Loop() { stop(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void stop() {
    io_.stop();
    if (thread_.joinable())
      thread_.join();
  }

  void start(const std::shared_ptr<RequestCall>& call) {
    asio::co_spawn(io_, [call] { return call->run(); }, asio::detached);
  }

  /// Does this on the thread.
  template <typename Function>
  void post(Function function) {
    asio::post(io_, std::move(function));
  }

  CallContext& context() { return context_; }

 private:
  asio::ssl::context tls_;
  ProxyRules proxies_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  ConnectionPool pool_;
  std::atomic<std::thread::id> id_;
  CallContext context_{io_, tls_, pool_, proxies_, id_};
  std::thread thread_;
};

namespace {

/// Something that is to happen later.
class Delay : public std::enable_shared_from_this<Delay> {
 public:
  Delay(CallContext& context, std::function<void()> function)
      : listening_(context.thread), timer_(context.io), function_(std::move(function)) {}

  void start(std::chrono::milliseconds time) {
    timer_.expires_after(time);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error)
        self->listening_.tell(self->function_);
      self->function_ = nullptr;
    });
  }
  void silence() { listening_.end(); }
  void stop() { timer_.cancel(); }

 private:
  Listening listening_;
  asio::steady_timer timer_;
  std::function<void()> function_;
};

/// What the caller holds.
template <typename Loop, typename Work>
class CallHandle : public Call {
 public:
  CallHandle(std::weak_ptr<Loop> loop, std::weak_ptr<Work> work)
      : loop_(std::move(loop)), work_(std::move(work)) {}

  /// The loop first: while it is there, so is all that the work uses.
  ~CallHandle() override {
    const auto loop = loop_.lock();
    auto work = work_.lock();
    if (!loop || !work)
      return;
    work->silence();
    loop->post([work = std::move(work)] { work->stop(); });
  }
  CallHandle(const CallHandle&) = delete;
  CallHandle& operator=(const CallHandle&) = delete;

 private:
  std::weak_ptr<Loop> loop_;
  std::weak_ptr<Work> work_; // gone when it is done
};

} // namespace

Client::Client(ClientOptions options) : loop_(std::make_shared<Loop>(options)) {}

Client::~Client() {
  loop_->stop();
}

std::unique_ptr<Call> Client::send(Request request, Handlers handlers) {
  auto call =
      std::make_shared<RequestCall>(loop_->context(), std::move(request), std::move(handlers));
  auto handle = std::make_unique<CallHandle<Loop, RequestCall>>(loop_, call);
  loop_->start(call);
  return handle;
}

std::unique_ptr<Call> Client::after(std::chrono::milliseconds time,
                                    std::function<void()> function) {
  auto delay = std::make_shared<Delay>(loop_->context(), std::move(function));
  auto handle = std::make_unique<CallHandle<Loop, Delay>>(loop_, delay);
  loop_->post([delay = std::move(delay), time] { delay->start(time); });
  return handle;
}

std::expected<Response, Failure> fetch(Client& client, Request request,
                                       std::chrono::milliseconds time, std::size_t body_limit) {
  struct Fetched {
    Response response;
    std::promise<std::expected<Response, Failure>> promise;
    bool settled = false;
  };
  const auto fetched = std::make_shared<Fetched>();
  auto future = fetched->promise.get_future();
  const std::string place = to_string(request.origin);
  const auto settle = [](Fetched& it, std::expected<Response, Failure> outcome) {
    if (!std::exchange(it.settled, true))
      it.promise.set_value(std::move(outcome));
  };
  Handlers handlers;
  handlers.on_head = [fetched](int status, const Headers& headers) {
    fetched->response.status = status;
    fetched->response.headers = headers;
  };
  handlers.on_data = [fetched, settle, place, body_limit](std::string_view data) {
    if (fetched->response.body.size() + data.size() <= body_limit)
      fetched->response.body += data;
    else
      settle(*fetched, std::unexpected(Failure{FailureKind::malformed,
                                               place + ": the answer is too large", true}));
  };
  handlers.on_end = [fetched, settle] { settle(*fetched, std::move(fetched->response)); };
  handlers.on_error = [fetched, settle](const Failure& failure) {
    settle(*fetched, std::unexpected(failure));
  };
  const auto call = client.send(std::move(request), std::move(handlers));
  if (future.wait_for(time) != std::future_status::ready)
    return std::unexpected(
        Failure{FailureKind::timed_out,
                place + ": no answer within " + std::to_string(time.count()) + " ms"});
  return future.get();
}

} // namespace anyclaude::upstream
