#include "backend/embedded.h"

#include "answer/answer_parser.h"
#include "answer/schema_check.h"
#include "answer/thinking_seal.h"
#include "anthropic/answer_blocks.h"
#include "anthropic/overloaded.h"
#include "backend/call_constraint.h"
#include "backend/server_tools.h"
#include "backend/thinking.h"
#include "engine/model_fingerprint.h"
#include "prompt/answer_format.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace anyclaude::backend {

namespace {

/// What the model's projector makes of one request's images.
class RequestImages {
 public:
  /// `encoder` may be null: then nothing is read.
  explicit RequestImages(engine::ImageEncoder* encoder) : encoder_(encoder) {}

  prompt::ImageReader reader() {
    if (!encoder_)
      return {};
    return [this](const anthropic::ImageBlock& image)
               -> std::expected<std::vector<engine::Token>, std::string> {
      auto read = encoder_->read(image.data);
      if (!read)
        return std::unexpected(read.error());
      inputs_.append_range(read->images);
      return std::move(read->tokens);
    };
  }

  /// Where the images stand that were read. Nothing where there is one that was not.
  std::optional<std::vector<engine::PlacedImage>> placed(std::span<const engine::Token> prompt) {
    std::vector<engine::PlacedImage> images;
    for (std::size_t begin = 0; begin < prompt.size(); ++begin) {
      if (!kv::begins_image(prompt[begin]))
        continue;
      const std::size_t end = kv::image_end(prompt, begin);
      const auto tokens = prompt.subspan(begin, end - begin);
      const auto found = std::ranges::find_if(inputs_, [&](const engine::PlacedImage& one) {
        return std::ranges::equal(one.input->tokens(), tokens);
      });
      if (found == inputs_.end())
        return std::nullopt;
      images.push_back({static_cast<int>(begin), found->input});
      begin = end - 1;
    }
    return images;
  }

 private:
  engine::ImageEncoder* encoder_;
  std::vector<engine::PlacedImage> inputs_; // their places do not count
};

using anthropic::Error;
using anthropic::ErrorKind;

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

/// How people tell conversations apart: by the client's id of the session and of a subagent in it;
/// where it has none, by a few digits of the key.
std::string conversation_of(const Caller& caller) {
  if (caller.session.empty())
    return caller.session_key.substr(0, 8);
  return caller.agent.empty() ? caller.session : caller.session + "/" + caller.agent;
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
  /// What is to be done with a whole answer and its sampled tokens.
  using Keep =
      std::function<void(std::vector<anthropic::ContentBlock>, std::span<const std::int32_t>)>;

  Answer(const answer::Format& format, bool caching, EventSink sink, Keep keep)
      : parser_(format), caching_(caching), sink_(std::move(sink)), keep_(std::move(keep)) {}

  void operator()(engine::JobEvent event) {
    std::visit(anthropic::Overloaded{
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

  void forward(answer::AnswerParser::Events events) {
    for (auto& event : events) {
      blocks_.add(event);
      sink_(std::move(event));
    }
    for (const auto& input : parser_.take_inputs())
      check(input);
  }

  /// Before the client hears of the end: its next request may come at once. Behind a stop sequence
  /// there are tokens that the client has not seen.
  void keep(const engine::JobEnded& event) {
    std::span<const std::int32_t> sampled(event.sampled);
    if (event.reason == engine::EndReason::stop_sequence)
      return;
    if (event.reason == engine::EndReason::end_of_turn)
      sampled = sampled.first(sampled.size() - 1);
    keep_(blocks_.take(), sampled);
  }

  /// What the grammar cannot say of a schema. The call is sent as it is: the client's own check
  /// tells the model, and a call that nobody hears of would end its work.
  static void check(const answer::Writer::Input& input) {
    if (!input.tool)
      return;
    const auto value = Json::parse(input.json, nullptr, false);
    if (const auto wrong = answer::schema_violation(value, *input.tool->schema))
      spdlog::warn("a call of {} does not fit its schema: {}", input.tool->name, *wrong);
  }

  void end(const engine::JobEnded& event) {
    forward(parser_.finish(event.reason == engine::EndReason::end_of_turn));
    keep(event);
    using anthropic::StopReason;
    anthropic::Finished finished;
    switch (event.reason) {
    case engine::EndReason::end_of_turn:
      // A call that stopped in the middle of a value must not be carried out.
      finished.reason = parser_.was_cut()       ? StopReason::max_tokens
                        : parser_.called_tool() ? StopReason::tool_use
                                                : StopReason::end_turn;
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

  answer::AnswerParser parser_;
  bool caching_;
  EventSink sink_;
  Keep keep_;
  anthropic::AnswerBlocks blocks_;
  anthropic::Usage usage_;
};

class EmbeddedGeneration : public Generation {
 public:
  EmbeddedGeneration(std::unique_ptr<TenantShare::Place> place,
                     std::unique_ptr<engine::Engine::Handle> handle)
      : place_(std::move(place)), handle_(std::move(handle)) {}

 private:
  std::unique_ptr<TenantShare::Place> place_;
  std::unique_ptr<engine::Engine::Handle> handle_;
};

/// Control tokens that belong to an answer's text.
std::vector<engine::Token> answer_markers(const engine::Model& model,
                                          const answer::Dialect& dialect) {
  std::vector<engine::Token> markers;
  for (const std::string& text : answer::answer_markers(dialect)) {
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
  for (const std::string& text : tokenizer.control_texts)
    if (const auto tokens = model.tokenize(text, true);
        tokens.size() == 1 && model.ends_turn(tokens.front()))
      tokenizer.turn_ends.push_back(text);
  return tokenizer;
}

/// Places for one tenant: some are left for others whatever it asks.
int places_of_one(const engine::EngineOptions& options) {
  constexpr double kShare = 0.75;
  return std::max(1, static_cast<int>(kShare * (options.max_running + options.max_queued)));
}

} // namespace

/// What is made once, when the model is loaded; constant from then on.
struct Embedded::Prepared {
  std::optional<prompt::PromptBuilder> prompts;
  std::vector<engine::Token> markers;
  std::shared_ptr<const answer::ThinkingSeal> seal;
  std::string error;
};

Embedded::Embedded(engine::EngineOptions options, prompt::PromptOptions prompts)
    : share_(places_of_one(options)), prompt_options_(std::move(prompts)),
      model_id_(options.model.stem().string()), model_time_(modification_time(options.model)),
      model_file_(options.model), cache_folder_(options.cache_folder),
      prepared_(std::make_unique<Prepared>()), watch_([this](std::int32_t token) {
        return kv::is_image(token) ? "[image]" : engine_.model().piece(token);
      }),
      engine_(preparing(std::move(options))) {}

Embedded::~Embedded() = default;

/// The same options, with what is to be done once the model is loaded.
engine::EngineOptions Embedded::preparing(engine::EngineOptions options) {
  options.on_loaded = [this](const engine::Model& model, int context_tokens) {
    prepare(model, context_tokens);
  };
  return options;
}

/// On the engine's thread, before anybody asks for a prompt.
void Embedded::prepare(const engine::Model& model, int context_tokens) {
  const engine::ModelFacts& facts = model.facts();
  auto parsed = prompt::ChatTemplate::parse(facts.chat_template, facts.bos_text, facts.eos_text);
  if (!parsed) {
    prepared_->error = parsed.error();
    return;
  }
  prompt::PromptOptions options = prompt_options_;
  if (!options.replay_folder.empty())
    options.model = engine::model_content_hash(model_file_, cache_folder_ / "model-hashes");
  options.most_tokens = 2 * static_cast<std::size_t>(context_tokens);
  prepared_->prompts.emplace(std::move(*parsed), tokenizer_of(model), std::move(options));
  prepared_->seal = make_seal(cache_folder_);
  prepared_->markers = answer_markers(model, prepared_->prompts->dialect());
}

std::expected<const prompt::PromptBuilder*, Error> Embedded::prompts() const {
  const Health now = health();
  if (!now.ready)
    return refuse(ErrorKind::overloaded, now.detail);
  if (!prepared_->prompts)
    return refuse(ErrorKind::api, prepared_->error);
  return &*prepared_->prompts;
}

Abilities Embedded::abilities() const {
  const bool ready = engine_.status().state == engine::EngineState::ready;
  return {.tools = true,
          .thinking = true,
          .images = ready && engine_.images() != nullptr,
          .reports_cached_tokens = true,
          .context_tokens = ready ? engine_.context_tokens() : 0};
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
  const auto builder = prompts();
  return EngineNumbers{.running = stats.running,
                       .queued = stats.queued,
                       .computed_tokens = stats.computed_tokens,
                       .generated_tokens = stats.generated_tokens,
                       .cells_used = stats.cells_used,
                       .cells = stats.cells,
                       .evicted_tokens = stats.evicted_tokens,
                       .moved_out_tokens = stats.moved_out_tokens,
                       .paused = stats.paused,
                       .cells_idle = stats.idle_cells,
                       .cells_spanned = stats.span,
                       .checkpoints = stats.checkpoints,
                       .checkpoint_bytes = stats.checkpoint_bytes,
                       .stored_bytes = stats.store.memory_bytes,
                       .stored_tokens_restored = stats.restored_tokens,
                       .stored_bytes_restored = stats.restored_bytes,
                       .restoring_seconds = stats.restoring_ms / 1000,
                       .disk_blocks = stats.store.disk_blocks,
                       .disk_bytes = stats.store.disk_bytes,
                       .disk_blocks_written = stats.store.written,
                       .unwritten_bytes = stats.store.unwritten_bytes,
                       .copied_blocks = stats.copied_blocks,
                       .copying_seconds = stats.copying_ms / 1000,
                       .unstored_tokens = stats.lost_tokens,
                       .replay_bytes = builder ? (*builder)->remembered_bytes() : 0,
                       .tokenized_bytes = builder ? (*builder)->tokenized_bytes() : 0,
                       .store_is_inert = engine::is_store_inert(stats)};
}

std::expected<int, Error> Embedded::count_tokens(const anthropic::Request& request) const {
  const auto builder = prompts();
  if (!builder)
    return std::unexpected(builder.error());
  const auto noted = noting_missing_server_tools(request);
  RequestImages images(engine_.images());
  const auto prompt = (*builder)->build(noted ? *noted : request, {}, images.reader());
  if (!prompt)
    return std::unexpected(prompt.error());
  return static_cast<int>(prompt->tokens.size() + prompt->beyond);
}

std::expected<std::unique_ptr<Generation>, Error>
Embedded::start(const anthropic::Request& request, const Caller& caller, EventSink sink) {
  const auto builder = prompts();
  if (!builder)
    return std::unexpected(builder.error());
  auto place = share_.take(caller.tenant); // before the work that a prompt is
  if (!place)
    return refuse(ErrorKind::rate_limit, "too many requests with this token are under way or "
                                         "waiting; try again soon");
  if (auto answer = unavailable_server_tool(request, caller)) {
    for (auto& event : *answer)
      sink(std::move(event));
    return std::make_unique<Generation>();
  }
  const auto noted = noting_missing_server_tools(request);
  RequestImages images(engine_.images());
  auto prompt = (*builder)->build(noted ? *noted : request, caller.tenant, images.reader());
  if (!prompt)
    return std::unexpected(prompt.error());
  look_at_thinking(request, *prepared_->seal);
  prompt->format.seal = prepared_->seal;
  for (const std::string& warning : prompt->warnings)
    spdlog::warn("{}", warning);

  // One token must be left for the answer. The client reads the numbers from this very sentence.
  const int context = engine_.context_tokens();
  if (const std::size_t size = prompt->tokens.size() + prompt->beyond;
      std::cmp_greater_equal(size, context))
    return refuse(ErrorKind::invalid_request, "prompt is too long: " + std::to_string(size) +
                                                  " tokens > " + std::to_string(context - 1) +
                                                  " maximum");
  if (prompt->tokens.empty())
    return refuse(ErrorKind::invalid_request, "messages: the prompt is empty");
  auto placed = images.placed(prompt->tokens);
  if (!placed || kv::is_image(prompt->tokens.back()))
    return refuse(ErrorKind::api, "the model's chat template has no place for this image");
  watch_.add(caller.tenant, prompt->tokens, prompt->boundaries);

  engine::Job job;
  job.tenant = caller.tenant;
  job.priority = caller.background ? engine::Priority::background : engine::Priority::interactive;
  job.prompt = std::move(prompt->tokens);
  job.images = std::move(*placed);
  job.boundaries = std::move(prompt->boundaries);
  job.stable_tokens = prompt->stable_tokens;
  job.conversation = conversation_of(caller);
  job.is_kept = !caller.is_private;
  job.sampling = sampling(request, engine_.model().facts().sampling);
  job.max_tokens = request.max_tokens;
  job.stop_sequences = request.stop_sequences;
  job.visible_control = prepared_->markers;
  job.sampling.constraint = make_constraint(
      prompt->format, prompt::answer_demand(request, prompt->format), prepared_->markers);
  if (prompt->continuation && caller.is_private)
    prompt->continuation->turn.kept = false;
  auto keep = [builder = *builder, continuation = std::move(prompt->continuation)](
                  const std::vector<anthropic::ContentBlock>& blocks,
                  std::span<const std::int32_t> sampled) mutable {
    if (continuation)
      builder->remember(*std::move(continuation), blocks, sampled);
    continuation.reset();
  };
  job.on_event = [answer = std::make_shared<Answer>(prompt->format, request.caching,
                                                    std::move(sink), std::move(keep))](
                     engine::JobEvent event) { (*answer)(std::move(event)); };
  auto handle = engine_.submit(std::move(job));
  if (handle)
    return std::make_unique<EmbeddedGeneration>(std::move(place), std::move(*handle));
  if (handle.error() == engine::Engine::Refusal::queue_full)
    return refuse(ErrorKind::rate_limit, "too many requests are waiting; try again soon");
  return refuse(ErrorKind::overloaded, "the server is shutting down");
}

} // namespace anyclaude::backend
