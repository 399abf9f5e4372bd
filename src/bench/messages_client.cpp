#include "bench/messages_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

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

/// Where a delta's piece goes in its block, and its key in the delta.
struct Piece {
  std::string_view delta;
  const char* key;
};
constexpr std::array<Piece, 4> kPieces = {{{"text_delta", "text"},
                                           {"thinking_delta", "thinking"},
                                           {"signature_delta", "signature"},
                                           {"input_json_delta", "partial_json"}}};

/// Puts an answer's events (https://html.spec.whatwg.org/multipage/server-sent-events.html)
/// together again.
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

  std::expected<Answer, std::string> answer() {
    if (!error_.empty())
      return std::unexpected(error_);
    if (!complete_ || !ttft_ms_)
      return std::unexpected("the answer ended before its end, or said nothing");
    for (Json& block : content_)
      if (block.value("type", "") == "tool_use") {
        Json input = Json::parse(block.value("partial_json", ""), nullptr, false);
        block["input"] = input.is_object() ? std::move(input) : Json::object();
        block.erase("partial_json");
      }
    return Answer{*ttft_ms_, std::move(content_)};
  }

 private:
  void line(std::string_view line) {
    constexpr std::string_view kData = "data:";
    if (!line.starts_with(kData))
      return;
    const Json event = Json::parse(line.substr(kData.size()), nullptr, false);
    if (!event.is_object())
      return;
    const std::string type = event.value("type", "");
    if (type == "content_block_start")
      content_.push_back(event.at("content_block"));
    else if (type == "content_block_delta" && !content_.empty())
      add(event.at("delta"));
    else if (type == "error")
      error_ = event.at("error").value("message", "an error without a message");
    else if (type == "message_stop")
      complete_ = true;
  }

  void add(const Json& delta) {
    for (const Piece& piece : kPieces) {
      if (delta.value("type", "") != piece.delta)
        continue;
      const std::string text = delta.value(piece.key, "");
      if (!ttft_ms_ && !text.empty() && piece.delta != "signature_delta")
        ttft_ms_ = std::chrono::duration<double, std::milli>(Clock::now() - sent_).count();
      content_.back()[piece.key] = content_.back().value(piece.key, "") + text;
    }
  }

  Clock::time_point sent_;
  std::string buffer_;
  Json content_ = Json::array();
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

/// The words of an error's JSON, or what else was answered.
std::string refusal(unsigned status, const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json.at("error").is_object())
    return json.at("error").value("message", body);
  return std::format("HTTP status {}: {}", status, body.substr(0, 300));
}

/// Sends the request; `on_sent` is called before its first byte, `on_bytes` with the body of a 200
/// as it comes. The error is a refusal. Throws boost::system::system_error when the connection
/// fails.
template <class OnSent, class OnBytes>
std::expected<void, std::string> post(const launch::ClaudeConnection& connection,
                                      const char* endpoint, const std::string& body, OnSent on_sent,
                                      OnBytes on_bytes) {
  const Address address = address_of(connection.base_url);
  asio::io_context context;
  beast::tcp_stream stream(context);
  asio::ip::tcp::resolver resolver(context);
  stream.connect(resolver.resolve(address.host, address.port));

  http::request<http::string_body> request(
      http::verb::post, std::format("/s/{}/v1/{}", connection.session, endpoint), 11);
  request.set(http::field::host, address.host + ":" + address.port);
  request.set(http::field::authorization, "Bearer " + connection.token);
  request.set(http::field::content_type, "application/json");
  request.set("anthropic-version", "2023-06-01");
  request.body() = body;
  request.prepare_payload();
  on_sent();
  http::write(stream, request);

  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(stream, buffer, parser);
  const unsigned status = parser.get().result_int();
  std::string refused;
  std::array<char, 16384> chunk{};
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    boost::system::error_code failed;
    http::read_some(stream, buffer, parser, failed);
    if (failed && failed != http::error::need_buffer)
      throw boost::system::system_error(failed);
    const std::string_view read(chunk.data(), chunk.size() - parser.get().body().size);
    if (status == 200)
      on_bytes(read);
    else
      refused += read;
  }
  if (status != 200)
    return std::unexpected(refusal(status, refused));
  return {};
}

} // namespace

std::expected<Answer, std::string> ask_for_message(const launch::ClaudeConnection& connection,
                                                   const std::string& body) {
  try {
    std::optional<AnswerReader> reader;
    const auto sent = post(
        connection, "messages?beta=true", body, [&] { reader.emplace(Clock::now()); },
        [&](std::string_view bytes) { reader->push(bytes); });
    if (!sent)
      return std::unexpected(sent.error());
    return reader->answer();
  } catch (const boost::system::system_error& failed) {
    return std::unexpected(std::format("the connection failed: {}", failed.what()));
  }
}

std::expected<std::int64_t, std::string> count_tokens(const launch::ClaudeConnection& connection,
                                                      const std::string& body) {
  try {
    std::string answer;
    const auto sent = post(
        connection, "messages/count_tokens", body, [] {},
        [&](std::string_view bytes) { answer += bytes; });
    if (!sent)
      return std::unexpected(sent.error());
    const Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object() || !json.contains("input_tokens"))
      return std::unexpected("the tokens of the prompt were not counted");
    return json.at("input_tokens").get<std::int64_t>();
  } catch (const boost::system::system_error& failed) {
    return std::unexpected(std::format("the connection failed: {}", failed.what()));
  }
}

} // namespace anyclaude::bench
