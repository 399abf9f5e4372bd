#include "bench/synthetic_request.h"

#include "anthropic/json.h"
#include "demo/corpus.h"
#include "demo/random.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <format>
#include <functional>
#include <ranges>
#include <vector>

namespace anyclaude::bench {

namespace {

// Characters, as measured at Claude Code 2.1.330.
constexpr std::size_t kSystem = 6'900;
constexpr std::size_t kTools = 31'000;
constexpr std::size_t kEnvironment = 9'000;
constexpr std::size_t kToolCount = 12;

std::vector<std::string_view> split(std::string_view words) {
  std::vector<std::string_view> list;
  for (const auto word : std::views::split(words, ' '))
    if (!word.empty())
      list.emplace_back(word.begin(), word.end());
  return list;
}

/// Sentences without a meaning; the same seed gives the same ones.
class Prose {
 public:
  explicit Prose(std::uint64_t seed) : random_(seed) {}

  std::string word() { return std::string(pick(nouns_)); }

  std::string text(std::size_t characters) {
    std::string text;
    while (text.size() < characters)
      text += sentence() + (random_.next() % 6 == 0 ? "\n" : " ");
    text.resize(characters);
    return text;
  }

 private:
  std::string_view pick(const std::vector<std::string_view>& words) {
    return words[random_.next() % words.size()];
  }

  std::string sentence() {
    return std::format("{} {} {} {} {} {} {}.", pick(verbs_), pick(function_words_), pick(plain_),
                       pick(nouns_), pick(function_words_), pick(plain_), pick(nouns_));
  }

  demo::Random random_;
  std::vector<std::string_view> nouns_ = split(demo::word_lists().nouns);
  std::vector<std::string_view> verbs_ = split(demo::word_lists().verbs);
  std::vector<std::string_view> plain_ = split(demo::word_lists().plain);
  std::vector<std::string_view> function_words_ = split(demo::word_lists().function_words);
};

Json text_block(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}

Json cached_block(const std::string& text) {
  Json block = text_block(text);
  block["cache_control"] = {{"type", "ephemeral"}};
  return block;
}

std::size_t scaled(std::size_t characters, double scale) {
  return static_cast<std::size_t>(static_cast<double>(characters) * scale);
}

Json tool(Prose& prose, std::size_t number, double scale) {
  constexpr std::size_t kParameters = 4;
  constexpr std::size_t kParameterText = 120;
  Json properties = Json::object();
  Json required = Json::array();
  for (std::size_t i = 0; i < kParameters; ++i) {
    const std::string name = std::format("{}_{}", prose.word(), i);
    properties[name] = {{"type", "string"},
                        {"description", prose.text(scaled(kParameterText, scale))}};
    if (i < 2)
      required.push_back(name);
  }
  return {
      {"name", std::format("Tool{}", number)},
      {"description",
       prose.text(scaled(kTools / kToolCount - kParameters * (kParameterText + 60), scale))},
      {"input_schema", {{"type", "object"}, {"properties", properties}, {"required", required}}}};
}

} // namespace

SyntheticRequest synthetic_request(std::string_view words, double scale, std::size_t more) {
  Prose prose(1);
  Json tools = Json::array();
  for (std::size_t i = 0; i < kToolCount; ++i)
    tools.push_back(tool(prose, i, scale));
  const std::size_t fingerprint = std::hash<std::string_view>{}(words) & 0xFFF;
  const Json system = {
      text_block(std::format("x-anthropic-billing-header: cc_version=2.1.330.{:03x}; "
                             "cc_entrypoint=sdk-cli;",
                             fingerprint)),
      cached_block("You are a synthetic agent."), cached_block(prose.text(scaled(kSystem, scale)))};
  const Json question = {
      {"role", "user"},
      {"content",
       {text_block("<system-reminder>\nNothing to remember.\n</system-reminder>\n"),
        cached_block(std::string(words))}}};
  const Json environment = {{"role", "system"},
                            {"content", prose.text(scaled(kEnvironment, scale) + more)}};
  return {system.dump(), tools.dump(), question.dump() + "," + environment.dump()};
}

} // namespace anyclaude::bench
