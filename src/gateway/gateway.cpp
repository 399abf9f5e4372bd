#include "gateway/gateway.h"

#include "anthropic/messages.h"
#include "gateway/answers.h"
#include "gateway/caller.h"
#include "gateway/message_answer.h"
#include "gateway/metrics.h"
#include "gateway/route.h"
#include "gateway/traced_exchange.h"
#include "text/clock.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <format>
#include <utility>

namespace anyclaude::gateway {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;
using Clock = std::chrono::steady_clock;

AccessOptions access_options(const GatewayOptions& options) {
  return {.tokens = options.tokens,
          .bound_host = options.http.host,
          .allowed_hosts = options.allowed_hosts,
          .allowed_origins = options.allowed_origins,
          .token_hint = options.token_hint};
}

void log_end(const std::string& what, const telemetry::RequestRecord& record) {
  spdlog::info("{} {} {} prompt={} reused={} computed={} output={} ttft_ms={} total_ms={:.1f}",
               what, record.status, record.id, record.prompt_tokens, record.reused_tokens,
               record.computed_tokens, record.output_tokens,
               record.ttft_ms ? std::format("{:.1f}", *record.ttft_ms) : "-", record.total_ms);
}

/// The headers are what the real Claude would be shown, and our token is nothing to it.
Error token_in_headers() {
  return {
      ErrorKind::authentication,
      "This request is for the real Claude, so its headers must carry your own key or login, and "
      "this server's token belongs in the base URL: ANTHROPIC_BASE_URL=http://HOST:PORT/t/TOKEN. "
      "`anyclaude` sets it so."};
}

} // namespace

struct Gateway::Asked {
  HttpRequest& request; // passed on, it is moved from
  const Route route;
  const std::shared_ptr<Responder>& responder;
  const backend::Caller caller;
  const std::string request_id;
  const std::chrono::seconds retry_after;
  const Clock::time_point received = Clock::now();

  void reply(int status, std::string body) const {
    responder->respond(status, json_headers(request_id), std::move(body));
    log(status);
  }
  void reply_text(std::string body, std::string type) const {
    responder->respond(200, {{"content-type", std::move(type)}, {"request-id", request_id}},
                       std::move(body));
    log(200);
  }
  void reply(const Error& error) const {
    ErrorReply answer = error_reply(error, request_id, retry_after);
    responder->respond(answer.status, std::move(answer.headers), std::move(answer.body));
    log(answer.status);
  }
  std::string what() const { return request.method + " " + loggable_path(request.path); }
  void log(int status) const {
    const std::chrono::duration<double, std::milli> total = Clock::now() - received;
    spdlog::info("{} {} {} total_ms={:.1f}", what(), status, request_id, total.count());
  }
  telemetry::RequestRecord new_record() const {
    telemetry::RequestRecord record;
    record.id = request_id;
    record.session = route.session;
    record.started_at = text::unix_milliseconds();
    return record;
  }
};

Gateway::Gateway(GatewayOptions options, backend::Backend& backend, telemetry::Stats& stats)
    : options_(std::move(options)), access_(access_options(options_)),
      memory_(options_.memory_left, options_.http.limits.body_bytes), backend_(backend),
      stats_(stats), dashboard_(options_.dashboard, access_, backend_, stats_) {}

Gateway::~Gateway() = default;

std::uint16_t Gateway::port() const {
  return server_->port();
}
std::size_t Gateway::open_connections() const {
  return server_->open_connections();
}

std::expected<std::unique_ptr<Gateway>, std::string>
Gateway::start(GatewayOptions options, backend::Backend& backend, telemetry::Stats& stats) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(options), backend, stats));
  if (const auto& cloud = gateway->options_.cloud) {
    auto made = PassThrough::make(*cloud);
    if (!made) {
      return std::unexpected("the real Claude's address: " + made.error());
    }
    gateway->cloud_ = std::move(*made);
  }
  auto server = HttpServer::start(
      gateway->options_.http,
      [self = gateway.get()](HttpRequest& request, Responder& responder) {
        return self->admit(request, responder);
      },
      [self = gateway.get()](HttpRequest request, const std::shared_ptr<Responder>& responder) {
        self->handle(std::move(request), responder);
      },
      [](int status, const std::string& message) {
        ErrorReply reply = http_error_reply(status, message, new_request_id());
        return ErrorAnswer{std::move(reply.headers), std::move(reply.body)};
      });
  if (!server) {
    return std::unexpected(server.error());
  }
  gateway->server_ = std::move(*server);
  return gateway;
}

/// Everything that can be refused without the body is refused here.
bool Gateway::admit(HttpRequest& request, Responder& responder) const {
  const std::string request_id = new_request_id();
  const Route route = route_of(request.path);
  const auto refuse = [&](ErrorReply reply) {
    spdlog::info("{} {} {} {} refused from {}", request.method, loggable_path(request.path),
                 reply.status, request_id, request.remote);
    responder.respond(reply.status, std::move(reply.headers), std::move(reply.body));
    return false;
  };
  if (const auto source = access_.check_source(request); !source) {
    return refuse(error_reply(source.error(), request_id, options_.retry_after));
  }
  if (request.method == "OPTIONS") { // no CORS headers: pages are not let in
    responder.respond(204, {{"allow", allowed_methods(route.endpoint)}, {"request-id", request_id}},
                      {});
    return false;
  }
  if (!is_open(route.endpoint)) {
    if (const auto caller = access_.identify(request, route.token); !caller) {
      return refuse(error_reply(caller.error(), request_id, options_.retry_after));
    }
  }
  if (goes_to_cloud(route)) {
    return route.token.empty()
               ? refuse(error_reply(token_in_headers(), request_id, options_.retry_after))
               : true;
  }
  if (route.endpoint == Endpoint::unknown) {
    return refuse(
        error_reply({ErrorKind::not_found, "There is nothing at this path. The server has "
                                           "/v1/messages, /v1/messages/count_tokens, "
                                           "/v1/models, /health, /metrics and /ui."},
                    request_id, options_.retry_after));
  }
  if (!allows(route.endpoint, request.method)) {
    const std::string allowed = allowed_methods(route.endpoint);
    ErrorReply reply = http_error_reply(
        405, "This path does not take " + request.method.substr(0, 20) + ", but " + allowed + ".",
        request_id);
    reply.headers.emplace_back("allow", allowed);
    return refuse(std::move(reply));
  }
  if (route.endpoint == Endpoint::messages || route.endpoint == Endpoint::count_tokens) {
    auto memory = memory_for(request);
    if (!memory) {
      spdlog::warn("{}", memory.error().message);
      return refuse(error_reply(memory.error(), request_id, options_.retry_after));
    }
    request.memory = std::move(*memory);
  }
  return true;
}

/// Whether a request goes to the real Claude whatever it asks.
bool Gateway::goes_to_cloud(const Route& route) const {
  return cloud_ && cloud_->takes_everything() && route.path.starts_with("/v1/");
}

/// Whether what is said in it may be written down: nothing of a private session is kept.
bool Gateway::is_traced(const Route& route) const {
  return options_.trace && !route.is_private &&
         (route.endpoint == Endpoint::messages || route.endpoint == Endpoint::count_tokens ||
          goes_to_cloud(route));
}

void Gateway::handle(HttpRequest request, const std::shared_ptr<Responder>& client) {
  Route route = route_of(request.path);
  auto caller = access_.identify(request, route.token).value_or(backend::Caller{});
  const std::string id = new_request_id();
  const auto responder = is_traced(route) ? traced(options_.trace, request, id, client) : client;
  const Asked asked{request, std::move(route),    responder, std::move(caller),
                    id,      options_.retry_after};
  if (goes_to_cloud(asked.route)) {
    return pass_on(asked, {});
  }
  switch (asked.route.endpoint) {
  case Endpoint::messages:
    return messages(asked);
  case Endpoint::count_tokens:
    return count_tokens(asked);
  case Endpoint::models:
    return models(asked);
  case Endpoint::model:
    return model(asked);
  case Endpoint::health:
    return health(asked);
  case Endpoint::metrics:
    return metrics(asked);
  case Endpoint::dashboard:
  case Endpoint::dashboard_login:
    return dashboard_.handle(request, port(), responder);
  case Endpoint::state:
    return asked.reply(200, dashboard_.state());
  case Endpoint::root:
    return asked.reply(200, R"({"name":"anyclaude"})");
  case Endpoint::unknown:
    break; // never admitted
  }
}

/// A body of unknown length counts as none.
std::expected<MemoryBudget::Share, Error> Gateway::memory_for(const HttpRequest& request) const {
  std::size_t body = 0;
  const std::string_view stated = request.header("content-length");
  std::from_chars(stated.data(), stated.data() + stated.size(), body);
  return memory_.take(body);
}

void Gateway::messages(const Asked& asked) {
  if (options_.on_message_body) {
    options_.on_message_body(asked.request.body);
  }
  const auto request =
      anthropic::parse_request(asked.request.body, anthropic::RequestKind::messages);
  if (!request) {
    return begin_answer(asked, nullptr)->refuse(request.error());
  }
  for (const std::string& warning : request->warnings) {
    spdlog::debug("{}: {}", asked.request_id, warning);
  }
  auto caller = describe_caller(asked.caller, asked.request, asked.route, *request);
  if (const auto passed = backend_.passes_through(*request, caller)) {
    return pass_on(asked, passed->model);
  }
  answer(asked, *request, caller);
}

/// Counts a request that asked for a message.
Gateway::OnEnd Gateway::recorder(const Asked& asked) const {
  return [&stats = stats_, what = asked.what()](telemetry::RequestRecord ended) {
    log_end(what, ended);
    stats.add(std::move(ended));
  };
}

std::shared_ptr<MessageAnswer> Gateway::begin_answer(const Asked& asked,
                                                     const anthropic::Request* request) const {
  telemetry::RequestRecord record = asked.new_record();
  if (const auto models = backend_.models(); !models.empty()) {
    record.model = models.front().id;
  }
  return std::make_shared<MessageAnswer>(
      asked.responder,
      MessageAnswer::Options{.stream = request != nullptr && request->stream,
                             .message_id = new_message_id(),
                             .request_id = asked.request_id,
                             .model = request != nullptr ? request->model : std::string(),
                             .retry_after = options_.retry_after,
                             .received = asked.received,
                             .live = &stats_.live(),
                             .record = std::move(record),
                             .on_end = recorder(asked)});
}

void Gateway::answer(const Asked& asked, const anthropic::Request& request,
                     const backend::Caller& caller) {
  const auto answer = begin_answer(asked, &request);
  if (caller.background) {
    stats_.live().is_background(asked.request_id);
  }
  auto generation = backend_.start(
      request, caller, [answer](anthropic::Event event) { answer->on_event(std::move(event)); });
  if (!generation) {
    // It may have been the last that was up of those before the real Claude.
    if (const auto passed = backend_.passes_through(request, caller)) {
      answer->dismiss();
      return pass_on(asked, passed->model);
    }
    return answer->refuse(generation.error());
  }
  // The connection owns the work: it ends when the client leaves or has its answer. The answer
  // itself belongs to the backend's sink; were it held here too, nobody would notice a backend that
  // dropped it.
  const std::weak_ptr<MessageAnswer> weak = answer;
  const auto verdict_time = backend_.verdict_time();
  const bool waits = request.stream && verdict_time.count() > 0;
  if (waits)
    answer->open_with_first_word();
  else
    answer->open();
  asked.responder->on_disconnect(
      [weak, work = std::shared_ptr<backend::Generation>(std::move(*generation))]() mutable {
        if (const auto left = weak.lock()) {
          left->client_left();
        }
        work.reset();
      });
  if (waits) {
    asked.responder->every(verdict_time, [weak] {
      if (const auto opened = weak.lock()) {
        opened->open(); // once; later calls do nothing
      }
    });
  }
  if (request.stream) {
    asked.responder->every(options_.ping_period, [weak] {
      if (const auto pinged = weak.lock()) {
        pinged->ping();
      }
    });
  }
}

/// To the real Claude, with its body as it came but for the model, where another one is to be
/// asked.
void Gateway::pass_on(const Asked& asked, const std::string& model) {
  if (!cloud_) {
    return asked.reply(Error{ErrorKind::api, "A route leads to the real Claude, and this server "
                                             "was started without it."});
  }
  if (asked.route.token.empty()) {
    return asked.reply(token_in_headers());
  }
  if (!model.empty()) {
    replace_model(asked.request.body, model);
  }
  const bool is_message = asked.route.endpoint == Endpoint::messages;
  PassThrough::Errand errand{
      .path = asked.route.path,
      .received = asked.received,
      .record = asked.new_record(),
      .live = is_message ? &stats_.live() : nullptr,
      .on_end = is_message ? recorder(asked) : OnEnd([what = asked.what()](const auto& ended) {
        spdlog::info("{} {} {} total_ms={:.1f}", what, ended.status, ended.id, ended.total_ms);
      }),
      .refuse = [id = asked.request_id, wait = options_.retry_after](Responder& responder,
                                                                     const std::string& message) {
        ErrorReply reply = error_reply({ErrorKind::overloaded, message}, id, wait);
        responder.respond(reply.status, std::move(reply.headers), std::move(reply.body));
      }};
  cloud_->forward(std::move(asked.request), asked.responder, std::move(errand));
}

void Gateway::count_tokens(const Asked& asked) {
  const auto request =
      anthropic::parse_request(asked.request.body, anthropic::RequestKind::count_tokens);
  if (!request) {
    return asked.reply(request.error());
  }
  const auto caller = describe_caller(asked.caller, asked.request, asked.route, *request);
  if (const auto passed = backend_.passes_through(*request, caller)) {
    return pass_on(asked, passed->model);
  }
  const auto tokens = backend_.count_tokens(*request);
  if (!tokens) {
    return asked.reply(tokens.error());
  }
  asked.reply(200, R"({"input_tokens":)" + std::to_string(*tokens) + "}");
}

void Gateway::models(const Asked& asked) const {
  asked.reply(200, models_body(backend_.models(), asked.request.query));
}

void Gateway::model(const Asked& asked) const {
  const auto models = backend_.models();
  const auto found = std::ranges::find(models, asked.route.model_id, &backend::ModelInfo::id);
  if (found == models.end()) {
    return asked.reply(
        Error{ErrorKind::not_found, "model: " + asked.route.model_id.substr(0, 100) +
                                        " is not here. GET /v1/models lists what is."});
  }
  asked.reply(200, model_body(*found));
}

void Gateway::health(const Asked& asked) const {
  const backend::Health now = backend_.health();
  asked.reply(now.ready ? 200 : 503, health_body(now, options_.trace != nullptr));
}

void Gateway::metrics(const Asked& asked) const {
  asked.reply_text(metrics_body({.ended = stats_.total(),
                                 .first_tokens = stats_.first_tokens(),
                                 .engine = backend_.engine_numbers(),
                                 .open_connections = server_->open_connections()}),
                   kMetricsType);
}

} // namespace anyclaude::gateway
