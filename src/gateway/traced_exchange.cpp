#include "gateway/traced_exchange.h"

#include "gateway/http_text.h"
#include "gateway/route.h"
#include "telemetry/redaction.h"

#include <algorithm>
#include <format>
#include <mutex>
#include <utility>
#include <vector>

namespace anyclaude::gateway {
namespace {

constexpr std::size_t kMostOfAnswer = std::size_t{16} << 20; // bytes; the rest is left out

std::string header_lines(const Headers& headers) {
  std::string lines;
  for (const auto& [name, value] : headers)
    lines += std::format("{}: {}\n", name,
                         telemetry::is_secret_name(name) ? telemetry::kRedacted : value);
  return lines;
}

/// "beta=true&key=[redacted]"
std::string shown_query(std::string_view query) {
  std::string shown;
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(item.size() + 1, query.size()));
    const std::string_view key = item.substr(0, item.find('='));
    shown += shown.empty() ? "?" : "&";
    shown += telemetry::is_secret_name(key) ? std::format("{}={}", key, telemetry::kRedacted)
                                            : std::string(item);
  }
  return shown;
}

/// What the request's head has that must not stand anywhere else either: header values, the words
/// of one in two ("Bearer …"), the token in the path.
std::vector<std::string> secrets_of(const HttpRequest& request) {
  std::vector<std::string> secrets;
  for (const auto& [name, value] : request.headers)
    if (telemetry::is_secret_name(name)) {
      secrets.push_back(value);
      if (const auto space = value.find(' '); space != std::string::npos)
        secrets.push_back(value.substr(space + 1));
    }
  if (const Route route = route_of(request.path); !route.token.empty())
    secrets.push_back(route.token);
  return secrets;
}

bool is_encoded(const Headers& headers) {
  return std::ranges::any_of(headers, [](const auto& header) {
    return equal_ignoring_case(header.first, "content-encoding") &&
           !equal_ignoring_case(header.second, "identity");
  });
}

class TracedResponder : public Responder {
 public:
  TracedResponder(std::shared_ptr<telemetry::Trace> trace, telemetry::Trace::File answer,
                  std::shared_ptr<Responder> responder)
      : trace_(std::move(trace)), answer_(std::move(answer)), responder_(std::move(responder)) {}

  ~TracedResponder() override {
    if (!complete_)
      finish("\n[The answer ends here: the client left, or nobody had more to say.]\n");
  }
  TracedResponder(const TracedResponder&) = delete;
  TracedResponder& operator=(const TracedResponder&) = delete;

  void respond(int status, Headers headers, std::string body) override {
    {
      const std::scoped_lock lock(mutex_);
      add_head(status, headers);
      add(body);
      finish({});
    }
    responder_->respond(status, std::move(headers), std::move(body));
  }
  void begin(int status, Headers headers) override {
    {
      const std::scoped_lock lock(mutex_);
      add_head(status, headers);
    }
    responder_->begin(status, std::move(headers));
  }
  void write(std::string chunk) override {
    {
      const std::scoped_lock lock(mutex_);
      add(chunk);
    }
    responder_->write(std::move(chunk));
  }
  void end() override {
    {
      const std::scoped_lock lock(mutex_);
      finish({});
    }
    responder_->end();
  }
  void on_disconnect(std::function<void()> callback) override {
    responder_->on_disconnect(std::move(callback));
  }
  void every(std::chrono::milliseconds period, std::function<void()> callback) override {
    responder_->every(period, std::move(callback));
  }

 private:
  void add_head(int status, const Headers& headers) {
    if (complete_)
      return;
    answer_.text = std::format("{}\n{}\n", status, header_lines(headers));
    is_encoded_ = is_encoded(headers);
  }
  void add(const std::string& text) {
    bytes_ += text.size();
    if (!complete_ && !is_encoded_ && answer_.text.size() + text.size() <= kMostOfAnswer)
      answer_.text += text;
    else
      is_cut_ = true;
  }
  void finish(std::string_view note) {
    if (std::exchange(complete_, true))
      return;
    if (is_cut_)
      answer_.text += std::format("\n[{} bytes; {}]\n", bytes_,
                                  is_encoded_ ? "compressed" : "the rest is left out");
    answer_.text += note;
    trace_->write(std::move(answer_));
  }

  const std::shared_ptr<telemetry::Trace> trace_;
  std::mutex mutex_;
  telemetry::Trace::File answer_;
  std::size_t bytes_ = 0;
  bool is_encoded_ = false;
  bool is_cut_ = false;
  bool complete_ = false;
  const std::shared_ptr<Responder> responder_;
};

} // namespace

std::shared_ptr<Responder> traced(std::shared_ptr<telemetry::Trace> trace,
                                  const HttpRequest& request, const std::string& request_id,
                                  std::shared_ptr<Responder> responder) {
  const std::string name = telemetry::Trace::name_of(request_id);
  const auto secrets = secrets_of(request);
  trace->write(
      {.name = name + ".1-request",
       .text = std::format("{} {}{}\n{}\n{}\n", request.method, loggable_path(request.path),
                           shown_query(request.query), header_lines(request.headers), request.body),
       .secrets = secrets});
  return std::make_shared<TracedResponder>(
      std::move(trace),
      telemetry::Trace::File{.name = name + ".2-answer", .text = {}, .secrets = secrets},
      std::move(responder));
}

} // namespace anyclaude::gateway
