#include "bench/replay_client.h"

#include "anthropic/json.h"
#include "bench/synthetic_request.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <format>
#include <optional>
#include <string_view>

namespace anyclaude::bench {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Clock = std::chrono::steady_clock;

/// Reads an answer's events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as far
/// as a measurement needs them.
class AnswerReader {
 public:
  explicit AnswerReader(Clock::time_point sent) : sent_(sent) {}

  void push(std::string_view bytes) {
    buffer_ += bytes;
    std::size_t end = 0;
    while ((end = buffer_.find('\n')) != std::string::npos) {
      line(std::string_view(buffer_).substr(0, end));
      buffer_.erase(0, end + 1);
    }
  }

  bool complete() const { return complete_; }
  const std::string& text() const { return text_; }
  const std::string& error() const { return error_; }
  std::optional<double> ttft_ms() const { return ttft_ms_; }

 private:
  void line(std::string_view line) {
    constexpr std::string_view kData = "data:";
    if (!line.starts_with(kData))
      return;
    const Json event = Json::parse(line.substr(kData.size()), nullptr, false);
    if (!event.is_object())
      return;
    const std::string type = event.value("type", "");
    if (type == "content_block_delta") {
      if (!ttft_ms_)
        ttft_ms_ = std::chrono::duration<double, std::milli>(Clock::now() - sent_).count();
      text_ += event.at("delta").value("text", "");
    } else if (type == "error") {
      error_ = event.at("error").value("message", "an error without a message");
    } else if (type == "message_stop") {
      complete_ = true;
    }
  }

  Clock::time_point sent_;
  std::string buffer_;
  std::string text_;
  std::string error_;
  std::optional<double> ttft_ms_;
  bool complete_ = false;
};

struct Address {
  std::string host;
  std::string port;
};

/// "http://127.0.0.1:4141"
Address address_of(std::string_view base_url) {
  const std::string_view host_port = base_url.substr(base_url.find("//") + 2);
  const std::size_t colon = host_port.rfind(':');
  return {std::string(host_port.substr(0, colon)), std::string(host_port.substr(colon + 1))};
}

/// Throws boost::system::system_error when the connection fails.
AnswerReader post(const launch::ClaudeConnection& connection, std::string body) {
  const Address address = address_of(connection.base_url);
  asio::io_context context;
  beast::tcp_stream stream(context);
  asio::ip::tcp::resolver resolver(context);
  stream.connect(resolver.resolve(address.host, address.port));

  http::request<http::string_body> request(
      http::verb::post, std::format("/s/{}/v1/messages?beta=true", connection.session), 11);
  request.set(http::field::host, address.host + ":" + address.port);
  request.set(http::field::authorization, "Bearer " + connection.token);
  request.set(http::field::content_type, "application/json");
  request.set("anthropic-version", "2023-06-01");
  request.body() = std::move(body);
  request.prepare_payload();
  AnswerReader answer(Clock::now());
  http::write(stream, request);

  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(stream, buffer, parser);
  std::array<char, 16384> chunk{};
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    boost::system::error_code failed;
    http::read_some(stream, buffer, parser, failed);
    if (failed && failed != http::error::need_buffer)
      throw boost::system::system_error(failed);
    answer.push({chunk.data(), chunk.size() - parser.get().body().size});
  }
  return answer;
}

} // namespace

std::expected<double, std::string> ReplayClient::ask(const launch::ClaudeConnection& connection,
                                                     const Question& question) {
  const SyntheticRequest request = synthetic_request(question.words);
  if (question.continues)
    messages_ += "," + Json{{"role", "user"}, {"content", question.words}}.dump();
  else
    messages_ = request.messages;
  std::string body = std::format(
      R"({{"model":{},"max_tokens":1000,"stream":true,"system":{},"tools":{},"messages":[{}]}})",
      Json(connection.model_id).dump(), request.system, request.tools, messages_);
  try {
    const AnswerReader answer = post(connection, std::move(body));
    if (!answer.error().empty())
      return std::unexpected(answer.error());
    const auto ttft_ms = answer.ttft_ms();
    if (!answer.complete() || !ttft_ms)
      return std::unexpected("the answer ended before its end, or had no text");
    messages_ += "," + Json{{"role", "assistant"}, {"content", answer.text()}}.dump();
    return *ttft_ms;
  } catch (const boost::system::system_error& failed) {
    return std::unexpected(std::format("the connection failed: {}", failed.what()));
  }
}

} // namespace anyclaude::bench
