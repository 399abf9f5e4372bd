#include "gateway/pass_through.h"

#include "anthropic/json.h"
#include "gateway/http_text.h"
#include "gateway/usage_reader.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <utility>

namespace anyclaude::gateway {
namespace {

/// Of one connection, not of the message: RFC 9110, section 7.6.1, and what older software sends.
constexpr std::array<std::string_view, 9> kHopByHop = {"connection",
                                                       "keep-alive",
                                                       "proxy-connection",
                                                       "proxy-authenticate",
                                                       "proxy-authorization",
                                                       "te",
                                                       "trailer",
                                                       "transfer-encoding",
                                                       "upgrade"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(
      names, [name](std::string_view other) { return equal_ignoring_case(name, other); });
}

/// The names that the message's own Connection headers list.
std::vector<std::string_view> named_by_connection(const Headers& headers) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : headers) {
    if (!equal_ignoring_case(name, "connection"))
      continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view item = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(item.size() + 1, rest.size()));
      item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
      item = item.substr(0, item.find_last_not_of(" \t") + 1);
      if (!item.empty())
        names.push_back(item);
    }
  }
  return names;
}

Headers end_to_end(const Headers& headers, std::span<const std::string_view> besides) {
  const auto listed = named_by_connection(headers);
  Headers kept;
  for (const auto& header : headers)
    if (!is_one_of(header.first, kHopByHop) && !is_one_of(header.first, listed) &&
        !is_one_of(header.first, besides))
      kept.push_back(header);
  return kept;
}

/// Host is the server's. The length is told anew, and 100-continue has been answered here.
constexpr std::array<std::string_view, 3> kOursToSay = {"host", "content-length", "expect"};

/// One request on its way: what its handlers share.
class Forwarding {
 public:
  Forwarding(std::shared_ptr<Responder> responder, PassThrough::Errand errand, bool asks_head)
      : responder_(std::move(responder)), refuse_(std::move(errand.refuse)),
        account_(std::move(errand.record), errand.received, errand.live, std::move(errand.on_end)),
        asks_head_(asks_head) {}

  void on_head(int status, const upstream::Headers& headers) {
    status_ = status;
    usage_.emplace(headers);
    missing_ = asks_head_ ? 0 : stated_length(headers);
    responder_->begin(status, end_to_end(headers, {}));
  }

  /// The client's bytes first; then a look at them.
  void on_data(std::string_view bytes) {
    if (missing_)
      *missing_ -= std::min(*missing_, bytes.size());
    responder_->write(std::string(bytes));
    usage_->push(bytes);
    if (usage_->content_has_begun())
      account_.said_something();
  }

  void on_end() {
    usage_->finish();
    end(status_);
    responder_->end();
    responder_.reset();
  }

  /// After the head only a cut tells the client that this is not the whole answer.
  void on_error(const upstream::Failure& failure) {
    const bool has_begun = usage_.has_value();
    constexpr int kOverloaded = 529;
    end(has_begun ? status_ : kOverloaded);
    if (!has_begun)
      refuse_(*responder_, failure.message + ". The request has not been answered; try it "
                                             "again, and check this machine's network.");
    responder_.reset();
  }

  /// On the socket thread, when no handler runs any more. A client that has all it was promised
  /// does not wait for the end.
  void client_left() {
    const bool has_all = missing_ == 0;
    if (has_all)
      usage_->finish();
    end(has_all ? status_ : kClientLeft);
  }

 private:
  void end(int status) {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(ended_, true))
      return;
    if (usage_) {
      account_.record.model = usage_->model();
      account_.count(usage_->usage());
    }
    account_.end(status);
  }

  std::shared_ptr<Responder> responder_;
  const std::function<void(Responder&, const std::string&)> refuse_;
  RequestAccount account_;
  const bool asks_head_;
  int status_ = 0;
  std::optional<UsageReader> usage_;   // since the head has come
  std::optional<std::size_t> missing_; // of a body whose length was stated
  std::mutex mutex_;
  bool ended_ = false;
};

} // namespace

std::expected<std::unique_ptr<PassThrough>, std::string>
PassThrough::make(PassThroughOptions options) {
  auto url = upstream::parse_url(options.base_url);
  if (!url)
    return std::unexpected(url.error());
  return std::unique_ptr<PassThrough>(new PassThrough(std::move(options), std::move(*url)));
}

void PassThrough::forward(HttpRequest request, std::shared_ptr<Responder> responder,
                          Errand errand) {
  upstream::Request sent;
  sent.origin = url_.origin;
  sent.method = std::move(request.method);
  sent.target = url_.path + errand.path;
  if (!request.query.empty())
    sent.target += "?" + request.query;
  sent.headers = end_to_end(request.headers, kOursToSay);
  sent.adds_accept_encoding = false;
  sent.body = std::move(request.body);
  const auto forwarding =
      std::make_shared<Forwarding>(responder, std::move(errand), sent.method == "HEAD");
  auto call = client_.send(
      std::move(sent),
      {.on_head =
           [forwarding](int status, const upstream::Headers& headers) {
             forwarding->on_head(status, headers);
           },
       .on_data = [forwarding](std::string_view bytes) { forwarding->on_data(bytes); },
       .on_end = [forwarding] { forwarding->on_end(); },
       .on_error =
           [forwarding](const upstream::Failure& failure) { forwarding->on_error(failure); }});
  // The client's connection owns the call: it ends when the client leaves or has its answer.
  responder->on_disconnect(
      [forwarding, call = std::shared_ptr<upstream::Call>(std::move(call))]() mutable {
        call.reset(); // first, so that no handler runs any more
        forwarding->client_left();
      });
}

namespace {

/// Where the value of the top-level "model" begins in the text, found by counting brackets.
std::optional<std::size_t> model_value_at(std::string_view body) {
  int depth = 0;
  bool is_key = false; // the next string at depth 1 is a key
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '"') {
      const std::size_t begin = i++;
      while (i < body.size() && body[i] != '"')
        i += body[i] == '\\' ? 2 : 1;
      if (depth != 1 || !std::exchange(is_key, false) ||
          body.substr(begin, i + 1 - begin) != R"("model")")
        continue;
      return body.find_first_not_of(" \t\r\n", body.find(':', i) + 1);
    }
    if (c == '{' || c == '[')
      is_key = ++depth == 1;
    else if (c == '}' || c == ']')
      --depth;
    else if (c == ',')
      is_key = depth == 1;
  }
  return std::nullopt;
}

} // namespace

void replace_model(std::string& body, std::string_view model) {
  const auto begin = model_value_at(body);
  if (!begin || *begin >= body.size() || body[*begin] != '"')
    return;
  std::size_t end = *begin + 1;
  while (end < body.size() && body[end] != '"')
    end += body[end] == '\\' ? 2 : 1;
  body.replace(*begin, end + 1 - *begin, Json(std::string(model)).dump());
}

} // namespace anyclaude::gateway
