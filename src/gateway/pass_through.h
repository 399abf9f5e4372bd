#pragma once

#include "gateway/http_server.h"
#include "gateway/request_account.h"
#include "upstream/client.h"
#include "upstream/url.h"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace anyclaude::gateway {

struct PassThroughOptions {
  std::string base_url = "https://api.anthropic.com"; // without /v1
  /// Every request below /v1 goes there. Otherwise those that the backend's routes send there.
  bool everything = true;
  upstream::ClientOptions client{};
};

/// Hands requests to a server that speaks Anthropic's API itself, and its answers back, byte for
/// byte and as they come: the body, the path behind our own prefixes, the query, and every header
/// but those that belong to one connection (RFC 9110, section 7.6.1) and Host. The client's
/// credentials go along untouched; neither they nor any other header's value come into a log.
/// Thread-safe.
class PassThrough {
 public:
  /// The error says what is wrong with the base URL.
  static std::expected<std::unique_ptr<PassThrough>, std::string> make(PassThroughOptions options);
  /// Requests under way end without a word.
  ~PassThrough() = default;

  bool takes_everything() const { return options_.everything; }

  /// What the gateway knows of a request, and wants to know.
  struct Errand {
    std::string path; // below the prefixes: "/v1/messages"
    std::chrono::steady_clock::time_point received;
    telemetry::RequestRecord record; // what is known before
    telemetry::Live* live = nullptr; // for a message: hears that it has begun and ended
    /// Called once, with what the answer said of its cost. Where its text is compressed that is not
    /// read, and the numbers of tokens are 0.
    RequestAccount::OnEnd on_end;
    /// Answers a request that could not be passed on.
    std::function<void(Responder&, const std::string& message)> refuse;
  };

  /// Returns at once. When the client leaves, the connection to the server is closed.
  void forward(HttpRequest request, std::shared_ptr<Responder> responder, Errand errand);

 private:
  PassThrough(PassThroughOptions options, upstream::Url url)
      : options_(std::move(options)), url_(std::move(url)), client_(options_.client) {}

  const PassThroughOptions options_;
  const upstream::Url url_;
  upstream::Client client_;
};

/// Puts another model's name into the text of a request, a JSON object that has been read without
/// an error, and leaves every other byte. Nothing happens where it names no model.
void replace_model(std::string& body, std::string_view model);

} // namespace anyclaude::gateway
