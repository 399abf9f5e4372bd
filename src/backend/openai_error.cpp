#include "backend/openai_error.h"

#include "anthropic/json.h"
#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace anyclaude::backend {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;

constexpr std::size_t kLongestText = 600;

/// The first number behind `words` in the text.
std::optional<std::int64_t> number_behind(std::string_view text, std::string_view words) {
  auto at = text.find(words);
  if (at == std::string_view::npos)
    return std::nullopt;
  at += words.size();
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) == 0)
    ++at;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
  if (error != std::errc())
    return std::nullopt;
  return number;
}

/// The last number in front of `words`.
std::optional<std::int64_t> number_before(std::string_view text, std::string_view words) {
  const auto at = text.find(words);
  if (at == std::string_view::npos)
    return std::nullopt;
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t end = at;
  while (end > 0 && !is_digit(text[end - 1]))
    --end;
  std::size_t begin = end;
  while (begin > 0 && is_digit(text[begin - 1]))
    --begin;
  std::int64_t number = 0;
  if (std::from_chars(text.data() + begin, text.data() + end, number).ec != std::errc())
    return std::nullopt;
  return number;
}

std::int64_t integer(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

} // namespace

std::string server_name(const OpenAiDialect& dialect, std::string_view base_url) {
  return std::string(dialect.title) + " at " + std::string(base_url);
}

std::string error_text(std::string_view body) {
  std::string text;
  const Json json = Json::parse(body, nullptr, false);
  const std::array<const Json*, 2> places{
      json.is_object() && json.contains("error") ? &json["error"] : nullptr,
      json.is_discarded() ? nullptr : &json};
  for (const Json* place : places) {
    if (place == nullptr || !text.empty())
      continue;
    if (place->is_string())
      text = place->get<std::string>();
    for (const char* key : {"message", "detail", "error_description"})
      if (text.empty() && place->is_object() && place->contains(key))
        text = (*place)[key].is_string() ? (*place)[key].get<std::string>() : (*place)[key].dump();
  }
  if (text.empty())
    text = text::to_valid_utf8(body);
  std::ranges::replace_if(text, [](unsigned char c) { return c < ' '; }, ' ');
  if (text.size() > kLongestText)
    text = text::to_valid_utf8(text.substr(0, kLongestText)) + "…";
  return text.empty() ? "(no reason given)" : text;
}

/// The words are those of llama-server, vLLM (before and after 0.9), SGLang, TensorRT-LLM, LM
/// Studio and OpenAI; tests/backend/openai_error_test.cpp has one of each.
std::optional<ContextRefusal> context_refusal(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_object())
    if (const std::int64_t context = integer(json["error"], "n_ctx"); context > 0)
      return ContextRefusal{integer(json["error"], "n_prompt_tokens"), context};
  const std::string text = error_text(body);
  for (const std::string_view words :
       {"maximum context length is", "maximum context length of", "model's context length (",
        "context length of only", "max_seq_len ("}) {
    const auto context = number_behind(text, words);
    if (!context)
      continue;
    ContextRefusal refusal{0, *context};
    for (const std::string_view behind :
         {" input tokens", " tokens from the input", " in the messages", " of text input"})
      if (refusal.prompt == 0)
        refusal.prompt = number_before(text, behind).value_or(0);
    for (const std::string_view before :
         {"The input (", "prompt contains at least", "prompt length (", "your messages resulted in",
          "to keep the first"})
      if (refusal.prompt == 0)
        refusal.prompt = number_behind(text, before).value_or(0);
    return refusal;
  }
  return std::nullopt;
}

anthropic::Error error_of_status(int status, std::string_view body, const OpenAiDialect& dialect,
                                 std::string_view base_url) {
  const std::string name = server_name(dialect, base_url);
  const std::string text = error_text(body);
  const std::string said = " (" + std::to_string(status) + "): " + text;
  if (text.contains("huggingface.co/api/models")) // MLX-Omni-Server with a path as its model
    return {
        ErrorKind::not_found,
        name + " takes the model's name for one of Hugging Face's hub and cannot find it there" +
            said +
            ". Versions that only know hub names answer so to a local path: update it (pip install "
            "-U mlx-omni-server), name a model of the hub, or serve the path with mlx_lm.server."};
  if (status == 401 || status == 403)
    return {ErrorKind::permission,
            name + " refuses the API key" + said + ". Set the key that it was started with."};
  if (status == 404)
    return {ErrorKind::not_found, name + " has no such model or path" + said +
                                      ". Its /v1/models lists its models; its address is given "
                                      "without /v1."};
  if (status == 413)
    return {ErrorKind::request_too_large, name + " takes no request of this size" + said};
  if (status == 429)
    return {ErrorKind::rate_limit, name + " takes no more requests now" + said};
  if (status == 503 || status == 529)
    return {ErrorKind::overloaded, name + " cannot answer now" + said};
  if (status == 400 || status == 422)
    return {ErrorKind::invalid_request, name + " refuses the request" + said};
  return {ErrorKind::api, name + " failed" + said};
}

anthropic::Error error_in_stream(std::string_view message, const OpenAiDialect& dialect,
                                 std::string_view base_url) {
  return {ErrorKind::api,
          server_name(dialect, base_url) + " failed while it answered: " + error_text(message)};
}

anthropic::Error error_of_failure(const upstream::Failure& failure, int tries,
                                  const OpenAiDialect& dialect, std::string_view base_url) {
  const std::string name = server_name(dialect, base_url);
  const std::string tried =
      tries > 1 ? " (tried " + std::to_string(tries) + " times)" : std::string();
  using upstream::FailureKind;
  switch (failure.kind) {
  case FailureKind::unreachable:
    return {ErrorKind::overloaded, name + " does not answer" + tried + ": " + failure.message +
                                       "; " + std::string(dialect.start)};
  case FailureKind::tls:
    return {ErrorKind::overloaded,
            name + " is not trusted: " + failure.message +
                ". Name its certificate authority in SSL_CERT_FILE, or correct the address."};
  case FailureKind::malformed:
    return {ErrorKind::api, name + " does not speak HTTP as it should: " + failure.message +
                                ". Is something else listening there?"};
  case FailureKind::timed_out:
    return {ErrorKind::overloaded, name + " has gone silent: " + failure.message};
  case FailureKind::closed:
    break;
  }
  if (failure.received)
    return {ErrorKind::api, name + " ended in the middle of its answer: " + failure.message +
                                ". Its log may say why."};
  return {ErrorKind::overloaded, name + " took the request and closed the connection" + tried +
                                     ": " + failure.message +
                                     ". Its log may say why; it may be short of memory."};
}

} // namespace anyclaude::backend
