#include "engine/engine.h"

#include "engine/available_memory.h"
#include "engine/llama_decoder.h"
#include "engine/model_fingerprint.h"
#include "engine/open_store.h"
#include "engine/projector_info.h"
#include "engine/reuse_check.h"
#include "kv/block_store.h"

#include <ggml.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <format>
#include <limits>
#include <mutex>
#include <thread>
#include <variant>

namespace anyclaude::engine {

namespace {

constexpr int kLargestDefaultContext = 65536; // tokens; enough for an agent, a bounded pool
constexpr int kSmallestDefaultContext = 4096;
constexpr int kContextStep = 256; // libllama rounds the pool up to it
constexpr const char* kShuttingDown = "the server is shutting down";
constexpr int kFewestSequences = 48; // of models without a state: each costs a row of logits
constexpr double kStoreFrom = 0.5;   // share of the pool from which on prefixes are copied
constexpr std::uint64_t kIdleSequences = 16; // beside the running ones, of models with a state
constexpr std::uint64_t kMostCheckpointBytes = 512U << 20;
constexpr std::uint64_t kBesideThePool = 64U << 20; // bytes, at least: batches and requests
constexpr std::size_t kMostStretches = 200;         // of an outline
constexpr auto kOutlineAge = std::chrono::milliseconds(500);
constexpr auto kOutlineWait = std::chrono::milliseconds(100);
constexpr float kProgressStep = 0.01F; // of loading, between two changes of the status

/// Why a pool of this size cannot be, empty when it may. Asked for more than there is, some systems
/// give it and kill the process once it is touched.
std::string pool_error(const ModelFacts& facts, int context_tokens, const std::string& kv_type) {
  if (facts.memory != MemoryKind::full_attention)
    return {}; // the bytes of a token are not known well enough
  constexpr double kGib = 1024.0 * 1024 * 1024;
  const double share =
      kv_type == "q8_0" ? 34.0 / 64 : 1; // a block of q8_0 is 34 bytes for 32 numbers
  const double needed =
      share * static_cast<double>(facts.kv_bytes_per_token) * context_tokens / kGib;
  const double free = static_cast<double>(available_memory() + free_accelerator_memory()) / kGib;
  if (needed <= free)
    return {};
  return std::format(
      "a context of {} tokens needs {:.1f} GiB for its keys and values, and {:.1f} GiB "
      "are free; start with a smaller --ctx",
      context_tokens, needed, free);
}

/// The pool takes at most 40% of the memory that is free once the weights are loaded, or of this
/// model's share of it, and in a small container less: a full one must not keep requests out.
int default_context(const ModelFacts& facts, int models_here) {
  const std::uint64_t free = available_memory() / static_cast<std::uint64_t>(models_here);
  const std::uint64_t others = facts.file_bytes + kBesideThePool;
  const std::uint64_t budget = free > others ? (free - others) / 5 * 2 : 0;
  const std::uint64_t fits = facts.kv_bytes_per_token > 0
                                 ? budget / facts.kv_bytes_per_token
                                 : std::numeric_limits<std::uint32_t>::max();
  const int wanted = std::min(facts.train_context_tokens, kLargestDefaultContext);
  const int context =
      static_cast<int>(std::min<std::uint64_t>(fits, static_cast<std::uint64_t>(wanted)));
  return std::max(context, std::min(wanted, kSmallestDefaultContext)) / kContextStep * kContextStep;
}

/// Sequences for running requests and idle prefixes. Where each costs memory of its own, all of
/// them together take an eighth of what is free, except that the least that works is always there.
int sequence_count(const ModelFacts& facts, std::uint64_t state_bytes, int max_running) {
  if (facts.memory == MemoryKind::full_attention)
    return std::max(kFewestSequences, max_running * 2);
  constexpr std::uint64_t kLeast = 4; // one runs, one is idle, one is being moved, one to spare
  const auto most = static_cast<std::uint64_t>(max_running) + kIdleSequences;
  const std::uint64_t fit = available_memory() / 8 / std::max<std::uint64_t>(state_bytes, 1);
  return static_cast<int>(std::clamp(fit, kLeast, std::max(kLeast, most)));
}

/// What the verdict on a model depends on, for the name of the file that it is kept in.
std::string verdict_key(const EngineOptions& options, const Model& model) {
  return std::format("{}-{}-{}-{}", model_fingerprint(options.model), options.kv_type,
                     model.uses_gpu() ? "gpu" : "cpu", ggml_version());
}

} // namespace

bool is_store_inert(const SchedulerStats& stats) {
  constexpr std::uint64_t kMuch = 4096; // tokens
  return stats.has_disk && stats.computed_tokens >= kMuch && stats.store.written == 0 &&
         stats.store.unwritten_bytes == 0;
}

struct Engine::State {
  struct Guard { // between a job's callbacks and the end of its handle
    std::mutex mutex;
    bool open = true;
  };
  struct Add {
    JobId id;
    Job job;
  };
  struct Cancel {
    JobId id;
  };
  struct StoreChange {
    bool was_cleared = false;
  };
  struct Look {}; // at all prefixes
  using Command = std::variant<Add, Cancel, StoreChange, Look>;

  explicit State(EngineOptions chosen) : options(std::move(chosen)) {}

  void run();
  bool load();
  std::expected<void, std::string> load_projector();
  bool may_reuse();
  bool has_disk() const;
  std::unique_ptr<kv::BlockStore> make_store();
  void serve();
  void warn_of_an_idle_store();
  void set_status(EngineStatus changed_status);
  bool take_commands();
  void refuse_commands();
  bool is_stopping() const;

  EngineOptions options;
  std::unique_ptr<Model> model;
  std::unique_ptr<ImageEncoder> images; // null: the model sees none
  std::unique_ptr<LlamaDecoder> decoder;
  std::unique_ptr<kv::BlockStore> store;
  std::unique_ptr<Scheduler> scheduler;
  bool reuse = false; // constant once ready
  bool store_was_checked = false;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  EngineStatus status;
  SchedulerStats stats;
  std::deque<Command> commands;
  int waiting = 0; // jobs submitted and not yet given to the scheduler
  JobId next_id = 1;
  std::uint64_t store_changes_told = 0;
  std::uint64_t store_changes_seen = 0;
  std::shared_ptr<const kv::PrefixOutline> outline;
  std::chrono::steady_clock::time_point outline_taken;
  bool look_waits = false; // among the commands
  bool stopping = false;
  bool disk_has_news = false; // the scheduler asks for it when it is idle
  std::thread thread;
};

void Engine::State::set_status(EngineStatus changed_status) {
  {
    const std::scoped_lock lock(mutex);
    status = std::move(changed_status);
    changed.notify_all();
  }
  if (options.on_status_change)
    options.on_status_change();
}

/// Whether prefixes of this model can be reused. With plain full attention they can; of the other
/// kinds every model shows it first, once.
bool Engine::State::may_reuse() {
  const ModelFacts& facts = model->facts();
  if (facts.memory == MemoryKind::full_attention)
    return true;
  const auto folder =
      options.cache_folder.empty() ? std::filesystem::path() : options.cache_folder / "reuse-check";
  const std::string key = verdict_key(options, *model);
  auto verdict = folder.empty() ? std::nullopt : read_verdict(folder, key);
  if (!verdict) {
    spdlog::info("checking whether prefixes of {} can be reused exactly; this is done once",
                 facts.id);
    verdict = check_reuse(*decoder, {.context_tokens = decoder->context_tokens(),
                                     .batch_tokens = options.batch_tokens,
                                     .vocabulary = model->vocab_size(),
                                     .window = facts.window});
    if (!is_stopping() && !folder.empty() && !write_verdict(folder, key, *verdict))
      spdlog::warn("cannot write to {}: the check will be made again", folder.native());
  }
  spdlog::info("reuse check: {} (difference {:.2g}, batch shapes {:.2g}, another text {:.2g})",
               verdict->exact ? "exact" : "not exact", verdict->difference, verdict->noise,
               verdict->other);
  return verdict->exact;
}

bool Engine::State::has_disk() const {
  return options.keeps_prefixes && !options.cache_folder.empty();
}

/// Null where it would be of no use: checkpoints are in host memory already.
std::unique_ptr<kv::BlockStore> Engine::State::make_store() {
  if (!reuse || (!has_disk() && model->facts().memory != MemoryKind::full_attention))
    return nullptr;
  StoreSetting setting;
  if (has_disk())
    setting.folder = options.cache_folder / "prefixes";
  setting.hashes = options.cache_folder / "model-hashes";
  setting.model = options.model;
  setting.name = model->facts().id;
  const ModelFacts& facts = model->facts();
  const int original = facts.original_context_tokens;
  setting.cells = {
      .memory = facts.memory,
      .kv_type = options.kv_type,
      .uses_gpu = model->uses_gpu(),
      .exceeds_original_context = original > 0 && decoder->context_tokens() > original,
      .own_attention = decoder->uses_own_attention(),
      .extra_buffers = model->uses_extra_buffers(),
      .rotation_disabled = rotation_disabled(),
      .libraries = library_versions(),
  };
  // As much again as the pool has, where there is memory for it, and what checkpoints may have.
  const std::uint64_t pool =
      facts.kv_bytes_per_token * static_cast<std::uint64_t>(decoder->context_tokens());
  const std::uint64_t states =
      facts.memory == MemoryKind::full_attention ? 0 : kMostCheckpointBytes;
  setting.memory_bytes = std::min(
      pool + states, available_memory() / 8 / static_cast<std::uint64_t>(options.models_here));
  setting.disk_bytes = options.store_bytes;
  setting.on_outcome = [this] {
    const std::scoped_lock lock(mutex);
    disk_has_news = true;
    changed.notify_all();
  };
  return open_store(setting);
}

/// One that was asked for must fit. Of those that lie beside the model, the first that does.
std::expected<void, std::string> Engine::State::load_projector() {
  if (options.projector == EngineOptions::kNone)
    return {};
  const bool is_chosen = !options.projector.empty();
  const auto paths = is_chosen ? std::vector{options.projector} : projectors_beside(options.model);
  const auto hashes = options.cache_folder.empty() ? std::filesystem::path()
                                                   : options.cache_folder / "model-hashes";
  for (const auto& path : paths) {
    auto loaded = ImageEncoder::load(
        *model, {.projector = path, .threads = options.threads, .hashes = hashes});
    if (loaded) {
      images = std::move(*loaded);
      spdlog::info("images are seen through {}, at most {} tokens each", path.native(),
                   images->most_tokens());
      return {};
    }
    if (is_chosen)
      return std::unexpected(loaded.error());
    spdlog::warn("{}; images are not shown through it", loaded.error());
  }
  return {};
}

bool Engine::State::load() {
  const auto fail = [this](std::string error) {
    if (is_stopping())
      error = kShuttingDown;
    else
      spdlog::error("{}", error);
    set_status({EngineState::failed, 0, std::move(error)});
    return false;
  };
  auto loaded = Model::load({options.model, options.gpu_layers}, [this](float progress) {
    if (progress - status.progress >= kProgressStep) // this thread alone writes it
      set_status({EngineState::loading, progress, {}});
    return !is_stopping();
  });
  if (!loaded)
    return fail(loaded.error());
  model = std::move(*loaded);
  if (auto seen = load_projector(); !seen)
    return fail(std::move(seen.error()));

  const ModelFacts& facts = model->facts();
  const bool has_state = facts.memory != MemoryKind::full_attention;
  const std::uint64_t state_bytes =
      has_state ? LlamaDecoder::state_bytes(*model, options.kv_type) : 0;
  ContextOptions context;
  context.context_tokens = options.context_tokens > 0
                               ? options.context_tokens
                               : default_context(model->facts(), options.models_here);
  context.batch_tokens = options.batch_tokens;
  if (images) {
    context.image_tokens = std::min(images->most_tokens(), context.context_tokens);
    context.undivided_images = images->undivided();
  }
  context.max_outputs = options.max_running;
  context.sequences = sequence_count(facts, state_bytes, options.max_running);
  // One is left for an idle prefix and one for moving it.
  const int max_running = std::min(options.max_running, context.sequences - 2);
  context.threads = options.threads;
  context.kv_type = options.kv_type;
  if (std::string error = pool_error(model->facts(), context.context_tokens, context.kv_type);
      !error.empty())
    return fail(std::move(error));
  context.sequences += has_state ? 0 : 1; // for what moves blocks
  context.moves_blocks = !has_state || has_disk();
  auto created = LlamaDecoder::create(*model, context);
  if (!created)
    return fail(created.error());
  {
    const std::scoped_lock lock(mutex); // against interrupt()
    decoder = std::move(*created);
  }

  reuse = may_reuse();

  SchedulerOptions scheduling;
  scheduling.context_tokens = decoder->context_tokens();
  scheduling.batch_tokens = options.batch_tokens;
  scheduling.max_running = max_running;
  scheduling.max_queued = options.max_running + options.max_queued; // submit() keeps the limit
  scheduling.sequences = context.sequences - (has_state ? 0 : 1);
  scheduling.reuse = reuse;
  scheduling.checkpoints = has_state;
  scheduling.checkpoint_bytes = std::min(kMostCheckpointBytes, available_memory() / 8);
  scheduling.separate = !model->uses_gpu();
  store = make_store();
  scheduling.store_from_share = kStoreFrom;
  scheduling.store = store.get();
  scheduler = std::make_unique<Scheduler>(*decoder, scheduling);
  if (options.on_loaded)
    options.on_loaded(*model, decoder->context_tokens());
  spdlog::info("model {} ({}), {} tokens of context, {} memory, prefixes are {}", facts.id,
               facts.description, scheduling.context_tokens, to_string(facts.memory),
               !reuse      ? "not reused"
               : has_state ? "reused from checkpoints"
                           : "reused at any token");
  if (has_state)
    spdlog::info("{} sequences of {:.1f} MiB of state each, checkpoints take up to {} MiB",
                 context.sequences, static_cast<double>(state_bytes) / (1 << 20),
                 scheduling.checkpoint_bytes >> 20);
  if (!reuse)
    spdlog::warn("this model does not go on exactly from what it computed before, so every request "
                 "is computed from its start");

  {
    const std::scoped_lock lock(mutex);
    stats = scheduler->stats();
  }
  set_status({EngineState::ready, 1, {}});
  return true;
}

/// Moves submitted jobs and cancellations to the scheduler; false when the engine stops.
bool Engine::State::take_commands() {
  std::deque<Command> taken;
  {
    const std::scoped_lock lock(mutex);
    if (stopping)
      return false;
    taken.swap(commands);
  }
  int added = 0;
  std::uint64_t changes = 0;
  std::shared_ptr<const kv::PrefixOutline> looked;
  for (auto& command : taken) {
    if (const auto* change = std::get_if<StoreChange>(&command)) {
      ++changes;
      if (store && change->was_cleared)
        store->clear();
      else if (store)
        store->look_again();
    } else if (auto* add = std::get_if<Add>(&command)) {
      ++added;
      const auto on_event = add->job.on_event;
      if (!scheduler->add(add->id, std::move(add->job)) && on_event)
        on_event(JobFailed{"the queue is full"});
    } else if (const auto* cancel = std::get_if<Cancel>(&command)) {
      scheduler->cancel(cancel->id);
    } else {
      looked = std::make_shared<const kv::PrefixOutline>(scheduler->outline(kMostStretches));
    }
  }
  if (!taken.empty()) { // at once: whoever submits counts the queue
    const std::scoped_lock lock(mutex);
    waiting -= added;
    store_changes_seen += changes;
    stats = scheduler->stats();
    if (looked) {
      outline = std::move(looked);
      outline_taken = std::chrono::steady_clock::now();
      look_waits = false;
      changed.notify_all();
    }
  }
  return true;
}

/// Fails the jobs that were submitted too late to be looked at.
void Engine::State::refuse_commands() {
  std::deque<Command> left;
  {
    const std::scoped_lock lock(mutex);
    left.swap(commands);
    waiting = 0;
  }
  for (const auto& command : left)
    if (const auto* add = std::get_if<Add>(&command); add && add->job.on_event)
      add->job.on_event(JobFailed{kShuttingDown});
}

bool Engine::State::is_stopping() const {
  const std::scoped_lock lock(mutex);
  return stopping;
}

/// A store that takes nothing in looks like one that works, only slower. Once, when all that is to
/// be stored should have been.
void Engine::State::warn_of_an_idle_store() {
  if (store_was_checked || !is_store_inert(stats))
    return;
  store_was_checked = true;
  spdlog::warn("{} tokens were computed and nothing was stored on the disk: they will be computed "
               "again after a restart",
               stats.computed_tokens);
}

void Engine::State::serve() {
  while (take_commands()) {
    const bool worked = scheduler->step() || scheduler->work_while_idle();
    std::unique_lock lock(mutex);
    stats = scheduler->stats();
    if (!worked) {
      warn_of_an_idle_store();
      changed.wait(lock, [this] { return stopping || disk_has_news || !commands.empty(); });
      disk_has_news = false;
    }
  }
  scheduler->fail_all(kShuttingDown);
  refuse_commands();
}

void Engine::State::run() {
  if (load())
    serve();
  scheduler.reset();
  store.reset(); // writes what waits
  {
    const std::scoped_lock lock(mutex); // against interrupt()
    decoder.reset();
  }
}

namespace {

class JobHandle : public Engine::Handle {
 public:
  JobHandle(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
  ~JobHandle() override { cancel_(); }

 private:
  std::function<void()> cancel_;
};

} // namespace

Engine::Engine(EngineOptions options) : state_(std::make_shared<State>(std::move(options))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Engine::~Engine() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
    if (state_->decoder)
      state_->decoder->interrupt();
    state_->changed.notify_all();
  }
  state_->thread.join();
}

EngineStatus Engine::status() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->status;
}

EngineStatus Engine::wait_until_loaded() const {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->status.state != EngineState::loading; });
  return state_->status;
}

const Model& Engine::model() const {
  return *state_->model;
}

ImageEncoder* Engine::images() const {
  return state_->images.get();
}

int Engine::context_tokens() const {
  const std::scoped_lock lock(state_->mutex);
  return static_cast<int>(state_->stats.cells);
}

bool Engine::reuses_prefixes() const {
  return state_->reuse;
}

SchedulerStats Engine::stats() const {
  const std::scoped_lock lock(state_->mutex);
  SchedulerStats stats = state_->stats;
  stats.queued += state_->waiting;
  return stats;
}

std::shared_ptr<const kv::PrefixOutline> Engine::outline() const {
  std::unique_lock lock(state_->mutex);
  if (state_->status.state != EngineState::ready || state_->stopping)
    return nullptr;
  if (state_->outline && std::chrono::steady_clock::now() - state_->outline_taken < kOutlineAge)
    return state_->outline;
  if (!std::exchange(state_->look_waits, true)) {
    state_->commands.emplace_back(State::Look{});
    state_->changed.notify_all();
  }
  state_->changed.wait_for(lock, kOutlineWait,
                           [this] { return !state_->look_waits || state_->stopping; });
  return state_->outline;
}

std::uint64_t Engine::store_changed(bool was_cleared) {
  const std::scoped_lock lock(state_->mutex);
  state_->commands.emplace_back(State::StoreChange{was_cleared});
  state_->changed.notify_all();
  return ++state_->store_changes_told;
}

std::uint64_t Engine::store_changes_seen() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->store_changes_seen;
}

std::expected<std::unique_ptr<Engine::Handle>, Engine::Refusal> Engine::submit(Job job) {
  auto guard = std::make_shared<State::Guard>();
  const auto guarded = [guard](auto callback) {
    return [guard, callback = std::move(callback)](auto&& argument) {
      const std::scoped_lock lock(guard->mutex);
      if (guard->open)
        callback(std::forward<decltype(argument)>(argument));
    };
  };
  if (job.on_event)
    job.on_event = guarded(std::move(job.on_event));
  if (job.on_logits)
    job.on_logits = guarded(std::move(job.on_logits));

  const std::scoped_lock lock(state_->mutex);
  if (state_->status.state != EngineState::ready || state_->stopping)
    return std::unexpected(Refusal::not_ready);
  // All jobs together, since one in the queue may be about to run.
  const SchedulerStats& now = state_->stats;
  if (now.running + now.queued + state_->waiting >=
      state_->options.max_running + state_->options.max_queued)
    return std::unexpected(Refusal::queue_full);
  const JobId id = state_->next_id++;
  state_->commands.emplace_back(State::Add{id, std::move(job)});
  ++state_->waiting;
  state_->changed.notify_all();

  // Weak: a handle may outlive the engine.
  return std::make_unique<JobHandle>([guard, id, weak = std::weak_ptr(state_)] {
    {
      const std::scoped_lock closing(guard->mutex);
      guard->open = false;
    }
    if (const auto state = weak.lock()) {
      const std::scoped_lock canceling(state->mutex);
      state->commands.emplace_back(State::Cancel{id});
      state->changed.notify_all();
    }
  });
}

} // namespace anyclaude::engine
