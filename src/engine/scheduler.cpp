#include "engine/scheduler.h"

#include "engine/checkpoint_plan.h"
#include "kv/checkpoint_tree.h"
#include "kv/prefix_tree.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace anyclaude::engine {

namespace {

/// A prefix shorter than this is computed again rather than waited for: less than one batch.
constexpr int kWorthWaiting = 64;

/// Smallest part of a prompt put into a batch when several prompts share it.
constexpr std::size_t kSmallestChunk = 64;

std::unique_ptr<kv::PrefixCache> make_tree(Decoder& decoder, const SchedulerOptions& options) {
  const auto cells = static_cast<std::size_t>(options.context_tokens);
  if (options.reuse && options.checkpoints)
    return std::make_unique<kv::CheckpointTree>(decoder, cells, options.sequences,
                                                options.checkpoint_bytes);
  return std::make_unique<kv::PrefixTree>(decoder, cells, options.sequences);
}

std::unique_ptr<BlockMover> make_mover(Decoder& decoder, kv::PrefixCache& tree,
                                       const SchedulerOptions& options) {
  if (!options.store || !options.reuse || options.checkpoints)
    return nullptr;
  return std::make_unique<BlockMover>(decoder, dynamic_cast<kv::PrefixTree&>(tree), *options.store,
                                      BlockMoverOptions{.scratch = options.sequences,
                                                        .batch_tokens = options.batch_tokens,
                                                        .now = options.now});
}

SchedulerOptions with_clock(SchedulerOptions options) {
  if (!options.now)
    options.now = [] {
      return std::chrono::duration<double, std::milli>(
                 std::chrono::steady_clock::now().time_since_epoch())
          .count();
    };
  return options;
}

} // namespace

struct Scheduler::Running {
  Running(JobId number, Job asked)
      : id(number), job(std::move(asked)), tokens(job.prompt), stops(job.stop_sequences) {}

  JobId id;
  Job job;
  std::vector<Token> tokens;            // the prompt and what was sampled
  SequenceId sequence = -1;             // none while queued
  int computed = 0;                     // leading tokens whose cells the sequence holds
  int prompt_computed = 0;              // tokens of the prompt that were passed to decode
  std::deque<BlockMover::Piece> stored; // what comes back from the store before it goes on
  std::vector<int> checkpoints;         // places behind which one is to be made, ascending
  int generated = 0;
  bool admitted = false; // was in the running list before
  bool over = false;     // to be removed
  std::unique_ptr<Sampler> sampler;
  text::Utf8Splitter splitter;
  text::StopSequences stops;

  bool started() const { return generated > 0; }
  std::size_t pending() const { return tokens.size() - static_cast<std::size_t>(computed); }
  /// Tokens until the next place where prefill has to stop; all that are left where there is none.
  std::size_t until_checkpoint() const {
    const auto next = std::ranges::upper_bound(checkpoints, computed);
    return next == checkpoints.end() ? pending() : static_cast<std::size_t>(*next - computed);
  }
  std::span<const Token> next(std::size_t count) const {
    return std::span(tokens).subspan(static_cast<std::size_t>(computed), count);
  }
  void emit(JobEvent event) const {
    if (job.on_event)
      job.on_event(std::move(event));
  }
};

Scheduler::Scheduler(Decoder& decoder, SchedulerOptions options)
    : decoder_(decoder), options_(with_clock(std::move(options))),
      tree_(make_tree(decoder, options_)), mover_(make_mover(decoder, *tree_, options_)) {}

Scheduler::~Scheduler() = default;

bool Scheduler::add(JobId id, Job job) {
  if (std::cmp_greater_equal(queue_.size(), options_.max_queued))
    return false;
  if (!options_.reuse)
    job.tenant = "job " + std::to_string(id); // a root of its own: nothing is ever shared
  queue_.push_back(std::make_unique<Running>(id, std::move(job)));
  return true;
}

void Scheduler::cancel(JobId id) {
  std::erase_if(queue_, [id](const auto& job) { return job->id == id; });
  for (const auto& job : running_)
    if (job->id == id)
      leave(*job);
  sweep();
}

/// Takes the job's sequence away; what it computed stays for others where sharing is allowed.
void Scheduler::leave(Running& job) {
  job.over = true;
  const SequenceId sequence = std::exchange(job.sequence, -1);
  if (sequence < 0)
    return;
  job.stored.clear();
  if (mover_) {
    mover_->keep(job.job.tenant,
                 std::span(job.tokens).first(static_cast<std::size_t>(job.computed)));
    mover_->left(sequence);
  }
  if (options_.reuse)
    tree_->finish(sequence);
  else
    tree_->drop(sequence);
}

/// Ends a job behind a batch that failed, which may have left a part of it in the job's sequence.
void Scheduler::spoil(Running& job) {
  if (options_.reuse && options_.checkpoints)
    tree_->drop(std::exchange(job.sequence, -1)); // its state cannot go back
  else
    decoder_.truncate(job.sequence, job.computed);
}

void Scheduler::sweep() {
  running_.remove_if([](const auto& job) { return job->over; });
}

/// Puts a running job back to the front of the queue because the pool is full. It goes on later
/// with the tokens it has; its client only sees a pause.
void Scheduler::suspend(Running& job) {
  const auto place = std::ranges::find_if(running_, [&](const auto& j) { return j.get() == &job; });
  leave(job);
  job.over = false;
  job.computed = 0;
  queue_.push_front(std::move(*place));
  running_.erase(place);
}

bool Scheduler::must_wait_for_prefix(const Running& candidate) const {
  if (!options_.reuse)
    return false;
  const int have = tree_->match(candidate.job.tenant, candidate.tokens);
  return std::ranges::any_of(running_, [&](const auto& other) {
    if (other->started() || other->job.tenant != candidate.job.tenant)
      return false;
    const auto end = std::ranges::mismatch(other->tokens, candidate.tokens).in1;
    int common = static_cast<int>(end - other->tokens.begin());
    if (options_.checkpoints) { // the last place on the way that it will leave behind
      common = std::min(common, static_cast<int>(candidate.tokens.size()) - 1);
      const auto next = std::ranges::upper_bound(other->checkpoints, common);
      common = next == other->checkpoints.begin() ? 0 : *std::prev(next);
    }
    return common > other->computed && common - have >= kWorthWaiting;
  });
}

/// Gives the job a sequence with its longest computed prefix, if the pool has room for the rest
/// beside what the running jobs still need.
bool Scheduler::try_start(Running& job) {
  const int size = static_cast<int>(job.tokens.size());
  const auto lease = tree_->begin(job.job.tenant, job.tokens, size - 1);
  if (!lease)
    return false;
  std::size_t needed = job.tokens.size() - static_cast<std::size_t>(lease->reused) + 1;
  for (const auto& other : running_)
    needed += other->pending() + 1;
  if (!running_.empty() && tree_->held() + needed > tree_->capacity()) {
    tree_->finish(lease->sequence);
    return false;
  }
  job.sequence = lease->sequence;
  job.computed = lease->reused;
  if (mover_)
    job.stored = mover_->admit(job.job.tenant, std::span(job.tokens).first(job.tokens.size() - 1),
                               lease->reused);
  if (options_.reuse && options_.checkpoints)
    job.checkpoints = plan_checkpoints(job.job.boundaries, lease->reused, lease->known,
                                       static_cast<int>(job.job.prompt.size()));
  if (!job.admitted) {
    job.admitted = true;
    job.sampler = decoder_.make_sampler(job.job.sampling);
    reused_tokens_ += static_cast<std::uint64_t>(lease->reused);
  }
  return true;
}

void Scheduler::admit() {
  for (auto place = queue_.begin();
       place != queue_.end() && std::cmp_less(running_.size(), options_.max_running);) {
    if (must_wait_for_prefix(**place)) {
      ++place; // another one behind it may have nothing to wait for
      continue;
    }
    if (!try_start(**place))
      return; // in order of arrival: nobody overtakes a job that waits for room
    running_.push_back(std::move(*place));
    place = queue_.erase(place);
  }
}

bool Scheduler::is_answering() const {
  return std::ranges::any_of(running_, [](const auto& job) { return job->started(); });
}

/// Brings back what is stored of the prompts, a block at a time: one before each batch while
/// answers are written, else for a moment, so that commands are heard.
void Scheduler::bring_back() {
  constexpr double kMoment = 20; // milliseconds
  const double begin = options_.now();
  mover_->answering(is_answering());
  for (const auto& job : running_)
    while (!job->stored.empty()) {
      const auto brought = mover_->bring_back(job->stored, job->sequence, job->tokens);
      if (!brought)
        break; // it is being read
      const int count = *brought;
      job->stored.pop_front();
      if (count == 0)
        job->stored.clear();
      job->computed += count;
      reused_tokens_ += static_cast<std::uint64_t>(count);
      const bool time_is_up = options_.now() - begin > kMoment;
      if (!job->started() && (job->stored.empty() || time_is_up))
        job->emit(JobProgress{job->computed, static_cast<int>(job->job.prompt.size())});
      if (time_is_up || is_answering())
        return;
    }
}

/// One token of each running answer, then parts of the prompts, shared evenly.
std::vector<BatchToken> Scheduler::compose() {
  std::vector<BatchToken> batch;
  const auto limit = static_cast<std::size_t>(options_.batch_tokens);
  const auto put = [&batch](const Running& job, std::size_t count) {
    int position = job.computed;
    for (const Token token : job.next(count))
      batch.push_back({token, position++, job.sequence, false});
    batch.back().output = count == job.pending(); // the last known token: sample behind it
  };

  std::vector<const Running*> prompts;
  for (const auto& job : running_) {
    if (!job->stored.empty())
      continue;
    if (job->started() && job->pending() == 1 && batch.size() < limit)
      put(*job, 1);
    else
      prompts.push_back(job.get());
  }
  for (std::size_t i = 0; i < prompts.size() && batch.size() < limit; ++i) {
    const std::size_t room = limit - batch.size();
    const std::size_t share = std::max(kSmallestChunk, room / (prompts.size() - i));
    put(*prompts[i],
        std::min({prompts[i]->pending(), prompts[i]->until_checkpoint(), share, room}));
  }
  return batch;
}

bool Scheduler::step() {
  admit();
  if (running_.empty())
    return false;
  if (mover_)
    bring_back();
  std::vector<BatchToken> batch = compose();
  while (!tree_->reserve(batch.size())) {
    if (running_.size() == 1) {
      fail(*running_.front(), "the KV pool has no room for the request; start with a larger --ctx");
      sweep();
      return true;
    }
    suspend(*running_.back());
    batch = compose();
  }
  if (!batch.empty())
    compute(batch);
  else // all that run wait for what comes back
    mover_->wait();
  sweep();
  if (mover_)
    mover_->between_batches();
  return true;
}

/// Computes a batch with throw-away tokens at its end, and books the time it took.
DecodeStatus Scheduler::decode(std::span<const BatchToken> batch, std::size_t padding) {
  const SequenceId scratch = options_.sequences;
  std::vector<BatchToken> padded(batch.begin(), batch.end());
  for (std::size_t i = 0; i < padding; ++i)
    padded.push_back({0, static_cast<int>(i), scratch, false});
  const std::size_t span = tree_->used() + padded.size();
  const double begin = options_.now();
  const DecodeStatus status = decoder_.decode(padded);
  const double took = options_.now() - begin;
  if (padding > 0)
    decoder_.remove(scratch, 0, static_cast<int>(padding));
  if (status == DecodeStatus::ok) {
    shaper_.observe(static_cast<int>(padded.size()), span, took);
    if (mover_)
      mover_->computed(static_cast<int>(padded.size()), span, took);
    padding_tokens_ += padding;
  }
  return status;
}

bool Scheduler::measure() {
  if (mover_ && mover_->work_while_idle())
    return true;
  const std::size_t free = tree_->capacity() - tree_->used();
  const auto probe = shaper_.wanted_probe(tree_->used());
  if (!options_.shape_batches || !probe || std::cmp_less(free, *probe))
    return false;
  return decode({}, static_cast<std::size_t>(*probe)) == DecodeStatus::ok;
}

void Scheduler::compute(std::span<const BatchToken> batch) {
  std::size_t padding = 0;
  if (options_.shape_batches)
    padding = static_cast<std::size_t>(
        shaper_.padding(static_cast<int>(batch.size()), tree_->used() + batch.size()));
  if (tree_->used() + batch.size() + padding > tree_->capacity())
    padding = 0; // nothing that could be reused is given up for it
  DecodeStatus status = decode(batch, padding);
  if (status == DecodeStatus::no_space) {
    tree_->clear_idle(); // libllama's own view of the pool decides
    status = decode(batch, 0);
  }
  for (const auto& job : running_) {
    if (status == DecodeStatus::ok) {
      after_batch(*job, batch);
      continue;
    }
    const bool affected = std::ranges::any_of(
        batch, [&](const BatchToken& token) { return token.sequence == job->sequence; });
    if (!affected)
      continue;
    spoil(*job);
    fail(*job, status == DecodeStatus::no_space
                   ? "the KV pool is full; start with a larger --ctx or fewer requests at once"
               : status == DecodeStatus::aborted ? "the server is shutting down"
                                                 : "the model failed to compute a batch");
  }
}

/// Books what a batch computed for one job, and samples where its prompt is complete.
void Scheduler::after_batch(Running& job, std::span<const BatchToken> batch) {
  int count = 0;
  int output = -1;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].sequence != job.sequence)
      continue;
    ++count;
    if (batch[i].output)
      output = static_cast<int>(i);
  }
  if (count == 0)
    return;
  tree_->extend(job.sequence, job.next(static_cast<std::size_t>(count)));
  job.computed += count;
  if (std::ranges::binary_search(job.checkpoints, job.computed))
    tree_->checkpoint(job.sequence);
  if (!job.started()) {
    job.prompt_computed += count;
    computed_tokens_ += static_cast<std::uint64_t>(count);
    job.emit(JobProgress{job.computed, static_cast<int>(job.job.prompt.size())});
  } else { // behind a pause, what was evicted meanwhile comes before the token just sampled
    computed_tokens_ += static_cast<std::uint64_t>(output < 0 ? count : count - 1);
  }
  if (output >= 0)
    sample(job, output);
}

void Scheduler::sample(Running& job, int index) {
  if (!job.started())
    job.emit(JobStarted{static_cast<int>(job.job.prompt.size()),
                        std::min(job.prompt_computed, static_cast<int>(job.job.prompt.size()))});
  if (mover_ && !job.started())
    mover_->keep(job.job.tenant,
                 std::span(job.tokens).first(static_cast<std::size_t>(job.computed)));
  if (job.job.on_logits)
    job.job.on_logits(decoder_.logits(index));

  const Token token = job.sampler->sample(index);
  job.tokens.push_back(token);
  ++job.generated;
  ++generated_tokens_;

  if (decoder_.ends_turn(token)) {
    end(job, EndReason::end_of_turn);
    return;
  }
  const bool shown =
      !decoder_.is_control(token) ||
      std::ranges::find(job.job.visible_control, token) != job.job.visible_control.end();
  if (shown)
    emit_text(job, decoder_.piece(token));
  if (job.over)
    return;
  if (job.generated >= job.job.max_tokens)
    end(job, EndReason::max_tokens);
  else if (std::cmp_greater_equal(job.tokens.size(), options_.context_tokens))
    end(job, EndReason::context_full);
}

void Scheduler::emit_text(Running& job, std::string_view bytes) {
  auto result = job.stops.push(job.splitter.push(bytes));
  if (!result.emit.empty())
    job.emit(JobText{std::move(result.emit)});
  if (result.matched)
    end(job, EndReason::stop_sequence, *result.matched);
}

void Scheduler::end(Running& job, EndReason reason, std::string stop_sequence) {
  if (reason != EndReason::stop_sequence) {
    auto rest = job.stops.push(job.splitter.finish());
    rest.emit += job.stops.finish();
    if (!rest.emit.empty())
      job.emit(JobText{std::move(rest.emit)});
  }
  const JobEnded event{reason, std::move(stop_sequence), job.generated};
  leave(job); // first, so that a client's next request finds the prefix
  job.emit(event);
}

void Scheduler::fail(Running& job, const std::string& message) {
  leave(job);
  job.emit(JobFailed{message});
}

void Scheduler::fail_all(const std::string& message) {
  for (const auto& job : running_)
    fail(*job, message);
  for (const auto& job : queue_)
    fail(*job, message);
  running_.clear();
  queue_.clear();
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats;
  stats.running = static_cast<int>(running_.size());
  stats.queued = static_cast<int>(queue_.size());
  stats.computed_tokens = computed_tokens_;
  stats.reused_tokens = reused_tokens_;
  stats.generated_tokens = generated_tokens_;
  stats.cells_used = tree_->used();
  stats.cells = tree_->capacity();
  stats.evicted_tokens = tree_->evicted();
  stats.padding_tokens = padding_tokens_;
  if (mover_) {
    stats.restored_tokens = mover_->stats().restored_tokens;
    stats.moved_out_tokens = mover_->stats().moved_out_tokens;
    stats.stored_blocks = options_.store->stats().blocks;
    stats.stored_bytes = options_.store->stats().memory_bytes;
  }
  return stats;
}

void Scheduler::check() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("scheduler: ") + what);
  };
  tree_->check();
  require(std::cmp_equal(tree_->running(), running_.size()), "a sequence that no job has");
  for (const auto& job : running_)
    require(tree_->length(job->sequence) == job->computed, "a job at another place than its cells");
  for (const auto& job : queue_)
    require(job->sequence < 0, "a queued job with a sequence");
}

} // namespace anyclaude::engine
