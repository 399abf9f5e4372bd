#include "bench/prompt.h"

#include "bench/synthetic_request.h"

#include <format>

namespace anyclaude::bench {

namespace {

constexpr std::string_view kWords = "@@WORDS@@";
/// Enough for an answer to begin, few enough to cost nothing beside the prompt.
constexpr int kAnswerTokens = 24;

/// Replaces the first `from` in any text below `json`; whether there was one.
bool replace_in(Json& json, std::string_view from, std::string_view to) {
  if (json.is_string()) {
    std::string text = json.get<std::string>();
    const std::size_t at = text.find(from);
    if (at == std::string::npos)
      return false;
    json = text.replace(at, from.size(), to);
    return true;
  }
  if (json.is_structured())
    for (Json& part : json)
      if (replace_in(part, from, to))
        return true;
  return false;
}

/// The line that Claude Code puts first is known by its beginning, and left out of prompts.
constexpr std::string_view kBilling = "x-anthropic-billing-header";

void mark_text(Json& holder, const char* key, std::string_view mark) {
  if (!holder.is_object() || !holder.contains(key) || !holder.at(key).is_string())
    return;
  const std::string text = holder.at(key).get<std::string>();
  if (!text.starts_with(kBilling))
    holder[key] = std::format("{} {}", mark, text);
}

} // namespace

Prompt Prompt::synthetic(double scale, std::size_t more) {
  const SyntheticRequest made = synthetic_request(kWords, scale, more);
  return Prompt({{"system", Json::parse(made.system)},
                 {"tools", Json::parse(made.tools)},
                 {"messages", Json::parse("[" + made.messages + "]")},
                 // As Claude Code asks: the first piece of thinking is a first piece as well.
                 {"thinking", {{"type", "adaptive"}}}});
}

std::expected<Prompt, std::string> Prompt::captured(std::string_view body, std::string_view words) {
  Json request = Json::parse(body, nullptr, false);
  if (!request.is_object() || !request.contains("messages") ||
      !replace_in(request["messages"], words, kWords))
    return std::unexpected("the captured request does not hold the question");
  return Prompt(std::move(request));
}

Json Prompt::request(std::string_view words, std::string_view mark) const {
  Json request = request_;
  replace_in(request["messages"], kWords, words);
  if (request.contains("system")) {
    mark_text(request, "system", mark);
    if (request.at("system").is_array())
      for (Json& block : request["system"])
        mark_text(block, "text", mark);
  }
  if (request.contains("tools") && request.at("tools").is_array())
    for (Json& tool : request["tools"])
      mark_text(tool, "description", mark);
  request["stream"] = true;
  request["max_tokens"] = kAnswerTokens;
  return request;
}

} // namespace anyclaude::bench
