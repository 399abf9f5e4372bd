#include "commands/reuse_measurement.h"

#include "anthropic/json.h"
#include "text/random_text.h"
#include "upstream/sse_reader.h"
#include "upstream/url.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <format>
#include <future>

namespace anyclaude::commands {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPatience = 10min;
constexpr std::size_t kMessage = 300; // characters of a server's own words

/// About `tokens` tokens of English.
std::string prose(int tokens) {
  static constexpr const char* kSentence = "The file reads every line of a small table before it "
                                           "writes its own answer to disk. "; // 17 tokens
  std::string text;
  for (int i = 0; i < tokens / 17 + 1; ++i)
    text += kSentence;
  return text;
}

Json request_of(const std::string& model, const std::string& system, const std::string& words) {
  Json tool = {
      {"type", "function"},
      {"function",
       {{"name", "look"},
        {"description", "Look at a file"},
        {"parameters", {{"type", "object"}, {"properties", {{"path", {{"type", "string"}}}}}}}}}};
  Json request = {{"messages", Json::array({{{"role", "system"}, {"content", system}},
                                            {{"role", "user"}, {"content", words}}})},
                  {"tools", Json::array({std::move(tool)})},
                  {"max_tokens", 8},
                  {"temperature", 0},
                  {"stream", true},
                  {"stream_options", {{"include_usage", true}}}};
  if (!model.empty())
    request["model"] = model;
  return request;
}

/// Whether a chunk carries a piece of the answer.
bool has_piece(const Json& chunk) {
  if (!chunk.contains("choices") || !chunk.at("choices").is_array() || chunk.at("choices").empty())
    return false;
  const Json& choice = chunk.at("choices").front();
  if (!choice.is_object() || !choice.contains("delta") || !choice.at("delta").is_object())
    return false;
  const Json& delta = choice.at("delta");
  for (const char* key : {"content", "reasoning", "reasoning_content"})
    if (delta.contains(key) && delta.at(key).is_string() &&
        !delta.at(key).get<std::string>().empty())
      return true;
  return delta.contains("tool_calls");
}

/// One request under way; its handlers run on the client's thread, one after the other.
struct Asking {
  Clock::time_point sent = Clock::now();
  MeasuredAnswer answer;
  int status = 0;
  std::string raw; // of a refusal
  std::promise<std::optional<RefusedMeasurement>> done;

  void take(const std::string& data) {
    const Json chunk = Json::parse(data, nullptr, false);
    if (!chunk.is_object())
      return;
    if (chunk.contains("error") && raw.empty())
      raw = chunk.dump();
    if (answer.first_token_s <= 0 && has_piece(chunk))
      answer.first_token_s = std::chrono::duration<double>(Clock::now() - sent).count();
    if (!chunk.contains("usage") || !chunk.at("usage").is_object())
      return;
    const Json& usage = chunk.at("usage");
    answer.prompt_tokens = usage.value("prompt_tokens", std::int64_t{0});
    if (usage.contains("prompt_tokens_details") && usage.at("prompt_tokens_details").is_object())
      if (const Json& details = usage.at("prompt_tokens_details");
          details.contains("cached_tokens") && details.at("cached_tokens").is_number())
        answer.cached_tokens = details.at("cached_tokens").get<std::int64_t>();
  }
};

std::expected<MeasuredAnswer, RefusedMeasurement> ask(upstream::Client& client,
                                                      const upstream::Url& url,
                                                      const std::string& api_key,
                                                      const std::string& body) {
  upstream::Request request{.origin = url.origin,
                            .method = "POST",
                            .target = url.path + "/v1/chat/completions",
                            .headers = {{"Content-Type", "application/json"}},
                            .body = body};
  if (!api_key.empty())
    request.headers.emplace_back("Authorization", "Bearer " + api_key);
  Asking asking;
  upstream::SseReader reader(
      {[&](const upstream::SseEvent& event) { asking.take(event.data); }, {}});
  auto result = asking.done.get_future();
  const auto call =
      client.send(std::move(request),
                  {.on_head = [&](int status, const upstream::Headers&) { asking.status = status; },
                   .on_data =
                       [&](std::string_view data) {
                         if (asking.status != 200)
                           asking.raw += data;
                         else
                           reader.push(data);
                       },
                   .on_end =
                       [&] {
                         reader.finish();
                         if (asking.status == 200 && asking.raw.empty())
                           asking.done.set_value(std::nullopt);
                         else
                           asking.done.set_value(
                               RefusedMeasurement{asking.status, asking.raw.substr(0, kMessage)});
                       },
                   .on_error =
                       [&](const upstream::Failure& failure) {
                         asking.done.set_value(RefusedMeasurement{0, failure.message});
                       }});
  if (result.wait_for(kPatience) != std::future_status::ready)
    return std::unexpected(RefusedMeasurement{0, "no answer within ten minutes"});
  if (auto refused = result.get())
    return std::unexpected(std::move(*refused));
  if (asking.answer.first_token_s <= 0) // an answer without a word
    asking.answer.first_token_s = std::chrono::duration<double>(Clock::now() - asking.sent).count();
  return asking.answer;
}

} // namespace

std::expected<ReuseMeasurement, RefusedMeasurement>
measure_reuse(upstream::Client& client, const std::string& url, const std::string& model,
              const std::string& api_key, int prompt_tokens) {
  const auto place = upstream::parse_url(url);
  if (!place)
    return std::unexpected(RefusedMeasurement{0, place.error()});
  const std::string system =
      std::format("Measurement {}. {}", text::random_text(12), prose(prompt_tokens));
  const auto cold =
      ask(client, *place, api_key, request_of(model, system, "What does it read?").dump());
  if (!cold)
    return std::unexpected(cold.error());
  const auto warm =
      ask(client, *place, api_key, request_of(model, system, "And what does it write?").dump());
  if (!warm)
    return std::unexpected(warm.error());
  return ReuseMeasurement{*cold, *warm};
}

} // namespace anyclaude::commands
