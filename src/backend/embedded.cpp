#include "backend/embedded.h"

#include "prompt/answer_parser.h"
#include "prompt/prompt_builder.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

namespace anyclaude::backend {

namespace {

using anthropic::Error;
using anthropic::ErrorKind;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

std::int64_t modification_time(const std::filesystem::path& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error)
    return 0;
  const auto system = std::chrono::file_clock::to_sys(time);
  return std::chrono::duration_cast<std::chrono::seconds>(system.time_since_epoch()).count();
}

std::unexpected<Error> refuse(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message)});
}

/// What the request says, over what the model's makers recommend.
engine::SamplingOptions sampling(const anthropic::Request& request,
                                 engine::SamplingOptions options) {
  if (request.temperature)
    options.temperature = static_cast<float>(*request.temperature);
  if (request.top_p)
    options.top_p = static_cast<float>(*request.top_p);
  if (request.min_p)
    options.min_p = static_cast<float>(*request.min_p);
  if (request.top_k)
    options.top_k = *request.top_k;
  options.has_seed = request.seed.has_value();
  options.seed = request.seed.value_or(0);
  return options;
}

/// Turns what the engine says about one job into the API's events. Lives on the engine thread.
class Answer {
 public:
  Answer(prompt::AnswerFormat format, bool caching, EventSink sink)
      : parser_(format), caching_(caching), sink_(std::move(sink)) {}

  void operator()(engine::JobEvent event) {
    std::visit(Overloaded{
                   [this](const engine::JobProgress& e) {
                     sink_(anthropic::PrefillProgress{e.done, e.total});
                   },
                   [this](const engine::JobStarted& e) { start(e); },
                   [this](const engine::JobText& e) { forward(parser_.push(e.text)); },
                   [this](const engine::JobEnded& e) { end(e); },
                   [this](const engine::JobFailed& e) {
                     sink_(anthropic::Failed{{ErrorKind::api, e.message}});
                   },
               },
               event);
  }

 private:
  /// Every computed token is kept for later requests. A client that marks cache breakpoints is told
  /// so in the fields it watches; the last token, which is computed for every answer, is its input.
  void start(const engine::JobStarted& event) {
    usage_.cache_read_input_tokens = event.prompt_tokens - event.computed;
    usage_.input_tokens = event.computed;
    if (caching_) {
      usage_.input_tokens = 1;
      usage_.cache_creation_input_tokens = event.computed - 1;
    }
    sink_(anthropic::Started{usage_});
  }

  void forward(prompt::AnswerParser::Events events) {
    for (auto& event : events)
      sink_(std::move(event));
  }

  void end(const engine::JobEnded& event) {
    forward(parser_.finish(event.reason == engine::EndReason::end_of_turn));
    using anthropic::StopReason;
    anthropic::Finished finished;
    switch (event.reason) {
    case engine::EndReason::end_of_turn:
      finished.reason = parser_.called_tool() ? StopReason::tool_use : StopReason::end_turn;
      break;
    case engine::EndReason::max_tokens:
      finished.reason = StopReason::max_tokens;
      break;
    case engine::EndReason::stop_sequence:
      finished.reason = StopReason::stop_sequence;
      finished.stop_sequence = event.stop_sequence;
      break;
    case engine::EndReason::context_full:
      finished.reason = StopReason::model_context_window_exceeded;
      break;
    }
    usage_.output_tokens = event.output_tokens;
    finished.usage = usage_;
    sink_(std::move(finished));
  }

  prompt::AnswerParser parser_;
  bool caching_;
  EventSink sink_;
  anthropic::Usage usage_;
};

class EmbeddedGeneration : public Generation {
 public:
  explicit EmbeddedGeneration(std::unique_ptr<engine::Engine::Handle> handle)
      : handle_(std::move(handle)) {}

 private:
  std::unique_ptr<engine::Engine::Handle> handle_;
};

/// Control tokens that belong to an answer's text.
std::vector<engine::Token> answer_markers(const engine::Model& model) {
  std::vector<engine::Token> markers;
  for (const char* text : {"<think>", "</think>", "<tool_call>", "</tool_call>"}) {
    const auto tokens = model.tokenize(text, true);
    if (tokens.size() == 1 && model.is_control(tokens.front()))
      markers.push_back(tokens.front());
  }
  return markers;
}

prompt::Tokenizer tokenizer_of(const engine::Model& model) {
  prompt::Tokenizer tokenizer;
  tokenizer.tokenize = [&model](std::string_view text, bool parse_special) {
    return model.tokenize(text, parse_special);
  };
  tokenizer.prompt_start = model.prompt_start();
  tokenizer.control_texts = model.control_texts();
  return tokenizer;
}

} // namespace

/// What is made once, when the model is first needed after loading.
struct Embedded::Lazy {
  std::once_flag once;
  std::optional<prompt::PromptBuilder> prompts;
  std::vector<engine::Token> markers;
  std::string error;
};

Embedded::Embedded(engine::EngineOptions options)
    : model_id_(options.model.stem().string()), model_time_(modification_time(options.model)),
      lazy_(std::make_unique<Lazy>()), engine_(std::move(options)) {}

Embedded::~Embedded() = default;

std::expected<const prompt::PromptBuilder*, Error> Embedded::prompts() const {
  const Health now = health();
  if (!now.ready)
    return refuse(ErrorKind::overloaded, now.detail);
  std::call_once(lazy_->once, [this] {
    const engine::ModelFacts& facts = engine_.model().facts();
    auto parsed = prompt::ChatTemplate::parse(facts.chat_template, facts.bos_text, facts.eos_text);
    if (!parsed) {
      lazy_->error = parsed.error();
      return;
    }
    lazy_->prompts.emplace(std::move(*parsed), tokenizer_of(engine_.model()));
    lazy_->markers = answer_markers(engine_.model());
  });
  if (!lazy_->prompts)
    return refuse(ErrorKind::api, lazy_->error);
  return &*lazy_->prompts;
}

Health Embedded::health() const {
  const engine::EngineStatus status = engine_.status();
  switch (status.state) {
  case engine::EngineState::ready:
    return {true, {}};
  case engine::EngineState::failed:
    return {false, status.error};
  case engine::EngineState::loading:
    break;
  }
  return {false, "the model " + model_id_ + " is loading (" +
                     std::to_string(std::lround(status.progress * 100)) + "%); try again soon"};
}

std::vector<ModelInfo> Embedded::models() const {
  ModelInfo info{model_id_, model_id_, model_time_, 0};
  if (engine_.status().state == engine::EngineState::ready) {
    info.display_name = model_id_ + " (" + engine_.model().facts().description + ")";
    info.context_tokens = engine_.context_tokens();
  }
  return {info};
}

std::optional<EngineNumbers> Embedded::engine_numbers() const {
  const engine::SchedulerStats stats = engine_.stats();
  return EngineNumbers{.running = stats.running,
                       .queued = stats.queued,
                       .computed_tokens = stats.computed_tokens,
                       .generated_tokens = stats.generated_tokens,
                       .cells_used = stats.cells_used,
                       .cells = stats.cells,
                       .evicted_tokens = stats.evicted_tokens,
                       .paused = stats.paused,
                       .cells_idle = stats.idle_cells,
                       .cells_spanned = stats.span,
                       .checkpoints = stats.checkpoints,
                       .checkpoint_bytes = stats.checkpoint_bytes};
}

std::expected<int, Error> Embedded::count_tokens(const anthropic::Request& request) const {
  const auto builder = prompts();
  if (!builder)
    return std::unexpected(builder.error());
  const auto prompt = (*builder)->build(request);
  if (!prompt)
    return std::unexpected(prompt.error());
  return static_cast<int>(prompt->tokens.size());
}

std::expected<std::unique_ptr<Generation>, Error>
Embedded::start(const anthropic::Request& request, const Caller& caller, EventSink sink) {
  const auto builder = prompts();
  if (!builder)
    return std::unexpected(builder.error());
  auto prompt = (*builder)->build(request);
  if (!prompt)
    return std::unexpected(prompt.error());
  for (const std::string& warning : prompt->warnings)
    spdlog::warn("{}", warning);

  // One token must be left for the answer. The client reads the numbers from this very sentence.
  const int context = engine_.context_tokens();
  if (std::cmp_greater_equal(prompt->tokens.size(), context))
    return refuse(ErrorKind::invalid_request,
                  "prompt is too long: " + std::to_string(prompt->tokens.size()) + " tokens > " +
                      std::to_string(context - 1) + " maximum");
  if (prompt->tokens.empty())
    return refuse(ErrorKind::invalid_request, "messages: the prompt is empty");

  engine::Job job;
  job.tenant = caller.tenant;
  job.priority = caller.background ? engine::Priority::background : engine::Priority::interactive;
  job.prompt = std::move(prompt->tokens);
  job.boundaries = std::move(prompt->boundaries);
  job.sampling = sampling(request, engine_.model().facts().sampling);
  job.max_tokens = request.max_tokens;
  job.stop_sequences = request.stop_sequences;
  job.visible_control = lazy_->markers;
  job.on_event = [answer =
                      std::make_shared<Answer>(prompt->format, request.caching, std::move(sink))](
                     engine::JobEvent event) { (*answer)(std::move(event)); };
  auto handle = engine_.submit(std::move(job));
  if (handle)
    return std::make_unique<EmbeddedGeneration>(std::move(*handle));
  if (handle.error() == engine::Engine::Refusal::queue_full)
    return refuse(ErrorKind::rate_limit, "too many requests are waiting; try again soon");
  return refuse(ErrorKind::overloaded, "the server is shutting down");
}

} // namespace anyclaude::backend
