#include "backend/openai.h"

#include "anthropic/json_text.h"
#include "backend/openai_answer.h"
#include "backend/openai_error.h"
#include "backend/server_tools.h"
#include "backend/thinking.h"
#include "prompt/answer_format.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace anyclaude::backend {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;
using namespace std::chrono_literals;

/// Until an answer has told better: JSON and English with a vocabulary of 150,000.
constexpr double kBytesPerToken = 4.0;
constexpr auto kPatience = 2'000ms; // with a server that has not answered yet
/// An estimate may be this much wrong.
constexpr double kEstimateError = 1.25;

class Work : public Generation {
 public:
  explicit Work(std::shared_ptr<OpenAiAnswer> answer) : answer_(std::move(answer)) {}
  ~Work() override { answer_->cancel(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

 private:
  std::shared_ptr<OpenAiAnswer> answer_;
};

std::string known_dialects() {
  std::string names;
  for (const std::string& name : openai_dialects())
    names += (names.empty() ? "" : ", ") + name;
  return names;
}

} // namespace

std::vector<std::string> openai_dialects() {
  std::vector<std::string> names;
  for (const OpenAiDialect& dialect : all_openai_dialects())
    names.emplace_back(dialect.name);
  return names;
}

OpenAi::OpenAi(OpenAiOptions options, upstream::Client& client, prompt::PromptOptions prompts,
               const std::filesystem::path& cache_folder)
    : options_(std::move(options)), client_(client),
      dialect_(find_openai_dialect(options_.dialect) != nullptr
                   ? *find_openai_dialect(options_.dialect)
                   : all_openai_dialects().back()),
      layout_(prompts.layout),
      tool_order_(prompts.tool_order ? prompts.tool_order : std::make_shared<prompt::ToolOrder>()),
      seal_(make_seal(cache_folder)), learned_(std::make_shared<Learned>(kBytesPerToken)) {
  auto url = upstream::parse_url(options_.base_url);
  if (!url)
    wrong_ = url.error();
  else if (url->path.ends_with("/v1"))
    wrong_ = "\"" + options_.base_url + "\" ends with /v1; give the address without it";
  else if (find_openai_dialect(options_.dialect) == nullptr)
    wrong_ = "there is no dialect \"" + options_.dialect + "\"; there are " + known_dialects();
  if (!wrong_.empty())
    return;
  address_ = {std::move(*url), options_.api_key};
  server_ = std::make_shared<OpenAiServer>(
      OpenAiServer::Options{.address = address_,
                            .base_url = options_.base_url,
                            .model = options_.model,
                            .context_tokens = options_.context_tokens,
                            .on_change = options_.on_status_change},
      dialect_, client_);
}

OpenAi::~OpenAi() = default;

Abilities OpenAi::abilities() const {
  Abilities abilities{.tools = true,
                      .thinking = true,
                      .images = false,
                      .reports_cached_tokens = dialect_.reports_cached,
                      .context_tokens = 0};
  if (server_) {
    const auto facts = server_->facts();
    abilities.images = facts.images;
    abilities.context_tokens = facts.context_tokens;
  }
  return abilities;
}

Health OpenAi::health() const {
  return server_ ? server_->facts().health : Health{false, wrong_};
}

std::vector<ModelInfo> OpenAi::models() const {
  return server_ ? server_->facts().models : std::vector<ModelInfo>{};
}

std::vector<ServerStatus> OpenAi::servers() const {
  Health now = health();
  const bool ready = now.ready;
  return {{options_.name, options_.base_url, std::move(now), ready, 0, models()}};
}

std::chrono::milliseconds OpenAi::verdict_time() const {
  return 2'000ms;
}

ChatRequest OpenAi::make_chat(const anthropic::Request& request, const Caller& caller,
                              const OpenAiServer::Facts& facts) const {
  const auto noted = noting_missing_server_tools(request);
  const anthropic::Request& asked = noted ? *noted : request;
  prompt::Arrangement arrangement;
  arrangement.layout = layout_;
  arrangement.image_parts = facts.images;
  if (layout_ == prompt::Layout::stable_first)
    arrangement.tool_ranks = prompt::rank_tools(*tool_order_, caller.tenant, asked);
  return {asked, dialect_, caller.model.empty() ? facts.model : caller.model, arrangement};
}

std::optional<int> OpenAi::counted_tokens(const ChatRequest& chat) const {
  const auto ask = [&](std::string_view path, const Json& body) -> std::optional<Json> {
    auto question = address_.request("POST", path);
    question.body = anthropic::json_text(body);
    const auto response = upstream::fetch(client_, std::move(question), 10s);
    if (!response || response->status != 200)
      return std::nullopt;
    Json json = Json::parse(response->body, nullptr, false);
    return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
  };
  Json body = Json::parse(chat.body({.max_tokens = 1}));
  for (const char* key : {"stream", "stream_options", "max_tokens"})
    body.erase(key);
  if (dialect_.tokenizer == OpenAiDialect::Tokenizer::vllm) {
    const auto counted = ask("/tokenize", body);
    if (counted && counted->contains("count") && (*counted)["count"].is_number_integer())
      return (*counted)["count"].get<int>();
  } else if (dialect_.tokenizer == OpenAiDialect::Tokenizer::llama) {
    const auto rendered = ask("/apply-template", body);
    if (!rendered || !rendered->contains("prompt"))
      return std::nullopt;
    const auto tokens =
        ask("/tokenize",
            {{"content", (*rendered)["prompt"]}, {"add_special", true}, {"parse_special", true}});
    if (tokens && tokens->contains("tokens") && (*tokens)["tokens"].is_array())
      return static_cast<int>((*tokens)["tokens"].size());
  }
  return std::nullopt;
}

std::expected<int, Error> OpenAi::count_tokens(const anthropic::Request& request) const {
  if (!server_)
    return std::unexpected(Error{ErrorKind::invalid_request, wrong_});
  const auto facts = server_->facts_within(kPatience);
  const ChatRequest chat = make_chat(request, {}, facts);
  if (facts.health.ready)
    if (const auto counted = counted_tokens(chat))
      return *counted;
  return static_cast<int>(
      std::lround(static_cast<double>(chat.prompt_bytes()) / learned_->bytes_per_token));
}

std::expected<std::unique_ptr<Generation>, Error>
OpenAi::start(const anthropic::Request& request, const Caller& caller, EventSink sink) {
  if (!server_)
    return std::unexpected(Error{ErrorKind::overloaded, wrong_});
  if (auto answer = unavailable_server_tool(request, caller)) {
    for (auto& event : *answer)
      sink(std::move(event));
    return std::make_unique<Generation>();
  }
  const auto facts = server_->facts_within(kPatience);
  // It has not said which it has, so nothing can be asked of it.
  if (facts.model.empty() && caller.model.empty())
    return std::unexpected(Error{ErrorKind::overloaded, facts.health.detail});

  ChatRequest chat = make_chat(request, caller, facts);
  for (const std::string& warning : chat.warnings())
    spdlog::warn("{}", warning);
  look_at_thinking(request, *seal_);
  const double estimate = static_cast<double>(chat.prompt_bytes()) / learned_->bytes_per_token;
  if (dialect_.cuts_prompts && facts.context_tokens > 0 &&
      estimate > facts.context_tokens * kEstimateError)
    return std::unexpected(Error{
        ErrorKind::invalid_request,
        "prompt is too long: " + std::to_string(std::lround(estimate)) + " tokens > " +
            std::to_string(facts.context_tokens) + " maximum. " + std::string(dialect_.title) +
            " would cut it without a word; " + std::string(dialect_.start)});

  answer::Format format = prompt::answer_format(request, {});
  format.seal = seal_;
  OpenAiAnswer::Options answer{.dialect = dialect_,
                               .base_url = options_.base_url,
                               .request = address_.request("POST", "/v1/chat/completions"),
                               .chat = std::move(chat),
                               .max_tokens = request.max_tokens,
                               .stream = {.format = std::move(format),
                                          .stop_sequences = request.stop_sequences,
                                          .estimated_prompt = std::lround(estimate),
                                          .context_tokens = facts.context_tokens,
                                          .max_tokens = request.max_tokens,
                                          .caching = request.caching,
                                          .reports_cached = dialect_.reports_cached,
                                          .server = server_name(dialect_, options_.base_url)},
                               .tries = options_.tries,
                               .pause = options_.first_pause,
                               .server = server_,
                               .learned = learned_,
                               .affinity = affinity_,
                               .session_key = caller.session_key};
  answer.request.headers.emplace_back("Accept", "text/event-stream");
  answer.request.headers.append_range(affinity_->headers(caller.session_key));
  answer.request.idle_time = options_.idle_time;
  auto work = std::make_shared<OpenAiAnswer>(std::move(answer), client_, std::move(sink));
  auto generation = std::make_unique<Work>(work);
  work->begin();
  return generation;
}

} // namespace anyclaude::backend
