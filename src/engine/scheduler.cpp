#include "engine/scheduler.h"

#include "engine/block_mover.h"
#include "engine/checkpoint_mover.h"
#include "engine/checkpoint_plan.h"
#include "kv/checkpoint_tree.h"
#include "kv/image_tokens.h"
#include "kv/prefix_tree.h"
#include "text/clock.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <format>
#include <stdexcept>
#include <utility>

namespace anyclaude::engine {

namespace {

/// A prefix shorter than this is computed again rather than waited for: less than one batch.
constexpr int kWorthWaiting = 64;

/// Batches beside running answers are of so many tokens or its doubles: attention works on blocks
/// of so many rows.
constexpr std::size_t kTile = BatchCosts::kSmallest;

/// The second smallest batch is taken also where it does not keep the time, if it takes no longer
/// than this many times the smallest: with few attention heads for each thread, 128 tokens cost as
/// much as 64. Whether they do shows only when it is tried.
constexpr double kWorthLarger = 1.25;

/// Tokens of prompts that a batch beside running answers has in any case.
constexpr std::size_t kLeastPrompt = 32;

/// The places moved in front of the images that they are in, those behind `reused` tokens.
std::vector<int> beside_images(std::vector<int> places, std::span<const Token> tokens, int reused) {
  for (int& place : places)
    place = static_cast<int>(kv::whole_images(tokens, static_cast<std::size_t>(place)));
  const auto repeated = std::ranges::unique(places);
  places.erase(repeated.begin(), repeated.end());
  std::erase_if(places, [reused](int place) { return place <= reused; });
  return places;
}

double steady_milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

/// Cells that the tokens of a batch attend to, each one's own among them, all added up.
double attended(std::span<const BatchToken> batch) {
  double cells = 0;
  for (const BatchToken& token : batch)
    cells += token.position + 1;
  return cells;
}

std::unique_ptr<kv::PrefixCache> make_tree(Decoder& decoder, const SchedulerOptions& options) {
  const auto cells = static_cast<std::size_t>(options.context_tokens);
  if (options.reuse && options.checkpoints)
    return std::make_unique<kv::CheckpointTree>(decoder, cells, options.sequences,
                                                options.checkpoint_bytes);
  return std::make_unique<kv::PrefixTree>(decoder, cells, options.sequences);
}

std::unique_ptr<PrefixMover> make_mover(Decoder& decoder, kv::PrefixCache& tree,
                                        const SchedulerOptions& options) {
  if (!options.store || !options.reuse)
    return nullptr;
  const MoverOptions moving{.scratch = options.sequences,
                            .batch_tokens = options.batch_tokens,
                            .from_share = options.store_from_share,
                            .now = options.clock};
  if (options.checkpoints)
    return std::make_unique<CheckpointMover>(decoder, dynamic_cast<kv::CheckpointTree&>(tree),
                                             *options.store, moving);
  return std::make_unique<BlockMover>(decoder, dynamic_cast<kv::PrefixTree&>(tree), *options.store,
                                      moving);
}

SchedulerOptions with_clock(SchedulerOptions options) {
  if (!options.clock)
    options.clock = steady_milliseconds;
  return options;
}

} // namespace

Scheduler::Scheduler(Decoder& decoder, SchedulerOptions options)
    : decoder_(decoder), options_(with_clock(std::move(options))),
      tree_(make_tree(decoder, options_)), mover_(make_mover(decoder, *tree_, options_)) {}

bool Scheduler::add(JobId id, Job job) {
  if (std::cmp_greater_equal(queue_.size(), options_.max_queued))
    return false;
  if (!options_.reuse)
    job.tenant = "job " + std::to_string(id); // a root of its own: nothing is ever shared
  if (!job.is_kept)
    job.tenant = kv::unkept(job.tenant);
  queue_.push_back(std::make_unique<RunningJob>(id, ++arrivals_, std::move(job)));
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
void Scheduler::leave(RunningJob& job) {
  job.over = true;
  const SequenceId sequence = std::exchange(job.sequence, -1);
  if (sequence < 0)
    return;
  if (mover_) {
    mover_->give_up(job.stored);
    mover_->keep(job.job.tenant,
                 std::span(job.tokens).first(static_cast<std::size_t>(job.computed)),
                 std::min(job.job.stable_tokens, job.computed));
    mover_->left(sequence);
  }
  if (options_.reuse)
    tree_->finish(sequence);
  else
    tree_->drop(sequence);
}

/// Ends a job behind a batch that failed, which may have left a part of it in the job's sequence.
void Scheduler::spoil(RunningJob& job) {
  if (options_.reuse && options_.checkpoints)
    tree_->drop(std::exchange(job.sequence, -1)); // its state cannot go back
  else
    decoder_.truncate(job.sequence, job.computed);
}

void Scheduler::sweep() {
  running_.remove_if([this](const auto& job) {
    if (job->over)
      remember(*job);
    return job->over;
  });
}

/// What a job that is over had computed, and for whom.
void Scheduler::remember(RunningJob& job) {
  if (!options_.reuse || job.job.conversation.empty())
    return;
  job.tokens.resize(static_cast<std::size_t>(job.computed));
  recent_.add({.tenant = std::move(job.job.tenant),
               .conversation = std::move(job.job.conversation),
               .tokens = std::move(job.tokens),
               .stable = std::min(job.job.stable_tokens, job.computed),
               .asked = text::unix_milliseconds() / 1000});
}

/// Puts a running job back into the queue, because the pool is full or for one of higher priority.
/// It goes on later with the tokens it has; its client only sees a pause.
void Scheduler::suspend(RunningJob& job) {
  const auto place = std::ranges::find_if(running_, [&](const auto& j) { return j.get() == &job; });
  leave(job);
  job.over = false;
  job.computed = 0;
  ++paused_;
  queue_.push_back(std::move(*place));
  running_.erase(place);
}

/// The running job that is on its way to a prefix which the candidate had better wait for.
RunningJob* Scheduler::computes_prefix_of(const RunningJob& candidate) const {
  if (!options_.reuse)
    return nullptr;
  const int have = tree_->match(candidate.job.tenant, candidate.tokens);
  const auto found = std::ranges::find_if(running_, [&](const auto& other) {
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
  return found == running_.end() ? nullptr : found->get();
}

bool Scheduler::is_full() const {
  return std::cmp_greater_equal(running_.size(), options_.max_running);
}

/// The running job of a lower priority whose turn came last, if there is one.
RunningJob* Scheduler::last_below(Priority priority) const {
  RunningJob* last = nullptr;
  for (const auto& job : running_)
    if (job->priority() < priority && (!last || last->before(*job)))
      last = job.get();
  return last;
}

/// Starts the job, if need be in the place and the cells of others that can wait.
bool Scheduler::make_place(RunningJob& job) {
  while (is_full() || !try_start(job)) {
    RunningJob* const victim = last_below(job.priority());
    if (!victim)
      return false;
    suspend(*victim);
  }
  return true;
}

/// Gives the job a sequence with its longest computed prefix, if the pool has room for the rest
/// beside what the running jobs still need.
bool Scheduler::try_start(RunningJob& job) {
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
  int reused = lease->reused;
  job.restored = 0;
  job.restore_began = -1;
  if (mover_ && job.may_restore)
    job.stored = mover_->admit(job.job.tenant, std::span(job.tokens).first(job.tokens.size() - 1),
                               reused, std::min(job.job.stable_tokens, size - 1));
  if (!job.stored.empty())
    reused = job.stored.back().end;
  if (options_.reuse && options_.checkpoints) {
    job.checkpoints =
        beside_images(plan_checkpoints(job.job.boundaries, reused, std::max(reused, lease->known),
                                       static_cast<int>(job.job.prompt.size())),
                      job.tokens, reused);
    if (!job.stored.empty()) // where others can start once it is there
      job.checkpoints.insert(job.checkpoints.begin(), reused);
  }
  for (const PlacedImage& image : job.job.images)
    if (image.begin >= reused)
      image.input->want(); // the text in front of it is computed meanwhile
  if (!job.admitted) {
    job.admitted = true;
    job.sampler = decoder_.make_sampler(job.job.sampling);
    reused_tokens_ += static_cast<std::uint64_t>(lease->reused);
  }
  return true;
}

void Scheduler::admit() {
  for (const auto& job : running_)
    job->lent = Priority::background;
  const auto in_order = [](const auto& a, const auto& b) { return a->before(*b); };
  std::ranges::sort(queue_, in_order);
  for (std::size_t i = 0; i < queue_.size();) {
    RunningJob& job = *queue_[i];
    if (is_full() && !last_below(job.priority()))
      return;
    if (RunningJob* const other = computes_prefix_of(job)) {
      other->lent = std::max(other->lent, job.priority());
      ++i; // another one behind it may have nothing to wait for
      continue;
    }
    if (!make_place(job))
      return; // among equals, nobody overtakes a job that waits for room
    for (const auto& other : queue_)
      if (other->ticket < job.ticket && other->priority() < job.priority())
        ++other->overtaken;
    running_.push_back(std::move(queue_[i]));
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
    std::sort(queue_.begin() + static_cast<std::ptrdiff_t>(i), queue_.end(), in_order);
  }
}

/// The running jobs that are no answers yet, or not again, and wait neither for what comes back nor
/// for an image.
std::vector<RunningJob*> Scheduler::prompts() const {
  std::vector<RunningJob*> found;
  for (const auto& job : running_)
    if (!job->streams() && job->stored.empty() &&
        (!job->image() || job->image()->want() == ImageInput::State::ready))
      found.push_back(job.get());
  return found;
}

/// Whether there were any.
bool Scheduler::drop_failed_images() {
  const auto before = running_.size();
  for (const auto& job : running_)
    if (job->stored.empty() && job->image() && job->image()->want() == ImageInput::State::failed)
      fail(*job, "the model's projector could not encode an image of the request");
  sweep();
  return running_.size() < before;
}

/// With nothing to compute: all that run wait for something, here for a moment at most.
void Scheduler::wait_for_what_comes() {
  constexpr std::chrono::milliseconds kMoment{10};
  for (const auto& job : running_)
    if (job->stored.empty() && job->image())
      return job->image()->wait(kMoment);
  if (mover_)
    mover_->wait();
}

/// Most tokens of prompts in the next batch. Without answers nobody is held up; beside them, it is
/// what is expected to keep the time, and no less than lets the prompts go on.
std::size_t Scheduler::prompt_room(std::span<const BatchToken> answers,
                                   const std::vector<RunningJob*>& prompts) const {
  const auto most = static_cast<std::size_t>(options_.batch_tokens);
  if (answers.empty() || prompts.empty())
    return most;
  double cells = 0; // that a token of the prompts attends to
  std::size_t waiting = 0;
  for (const RunningJob* job : prompts) {
    cells = std::max(cells, static_cast<double>(job->computed));
    if ((waiting += job->pending()) >= most)
      break;
  }
  const std::size_t beside = options_.separate ? 0 : answers.size();
  const double answers_cells = options_.separate ? 0 : attended(answers);
  const auto cells_each = [&](std::size_t size) {
    const auto parts = static_cast<double>(size - beside);
    return (parts * (cells + parts / 2) + answers_cells) / static_cast<double>(size);
  };
  const auto expected = [&](std::size_t size) { return costs_.batch(size, cells_each(size)); };

  const std::size_t least = std::bit_ceil(std::max(kTile, beside + kLeastPrompt));
  const auto least_time = expected(least);
  if (!least_time)
    return std::min(least, most) - std::min(beside, most);
  const double left = options_.gap_ms - (options_.separate ? answers_took_ : 0);
  const auto suits = [&](std::size_t size) {
    const double time = *expected(size);
    return time <= left || (size <= 2 * least && (time <= kWorthLarger * *least_time ||
                                                  !costs_.knows(size, cells_each(size))));
  };
  std::size_t size = std::max(least, most);
  while (size > least && !suits(size))
    size = std::bit_floor(size - 1);
  return std::min(size, most) - std::min(beside, most);
}

bool Scheduler::is_answering() const {
  return std::ranges::any_of(running_, [](const auto& job) { return job->started(); });
}

/// Brings back what is stored of the prompts, a block at a time: one before each batch while
/// answers are written, else for a moment, so that commands are heard.
void Scheduler::bring_back() {
  constexpr double kMoment = 20; // milliseconds
  const double begin = options_.clock();
  for (const auto& job : running_)
    while (!job->stored.empty()) {
      if (job->restore_began < 0)
        begin_restore(*job);
      const auto brought = mover_->bring_back(job->stored, job->sequence, job->tokens);
      if (brought == PrefixMover::Brought::coming)
        break;
      if (brought == PrefixMover::Brought::no && options_.checkpoints) {
        restart(*job);
        return; // it is not among those that run any more
      }
      if (brought == PrefixMover::Brought::yes) {
        job->restore_bytes += job->stored.front().bytes;
        job->stored.pop_front();
      } else {
        mover_->give_up(job->stored);
      }
      const int count = tree_->length(job->sequence) - job->computed;
      job->computed += count;
      job->restored += count;
      reused_tokens_ += static_cast<std::uint64_t>(count);
      restored_tokens_ += static_cast<std::uint64_t>(count);
      if (job->stored.empty())
        end_restore(*job);
      const bool time_is_up = options_.clock() - begin > kMoment;
      if (!job->started() && (job->stored.empty() || time_is_up))
        job->emit(JobProgress{job->computed, static_cast<int>(job->job.prompt.size())});
      if (time_is_up || is_answering())
        return;
    }
}

void Scheduler::begin_restore(RunningJob& job) {
  constexpr double kLong = 1000; // milliseconds that are worth a line in the log
  constexpr std::size_t kLarge = std::size_t{1} << 30; // bytes, before any were measured
  job.restore_began = options_.clock();
  job.restore_bytes = 0;
  const std::vector<PrefixMover::Piece> pieces(job.stored.begin(), job.stored.end());
  std::size_t bytes = 0;
  for (const PrefixMover::Piece& piece : pieces)
    bytes += piece.bytes;
  const auto expected = mover_->restore_time(pieces);
  job.restore_is_long = expected ? *expected > kLong : bytes > kLarge;
  if (job.restore_is_long)
    spdlog::info("bringing back {} tokens ({:.0f} MiB){}", pieces.back().end - job.computed,
                 static_cast<double>(bytes) / (1 << 20),
                 expected ? std::format(", in about {:.1f} s", *expected / 1000) : "");
}

void Scheduler::end_restore(RunningJob& job) {
  const double took = options_.clock() - std::exchange(job.restore_began, -1);
  restored_bytes_ += job.restore_bytes;
  restoring_ms_ += took;
  if (std::exchange(job.restore_is_long, false) || took > 1000)
    spdlog::info("{} tokens are back ({:.0f} MiB in {:.1f} s)", job.restored,
                 static_cast<double>(job.restore_bytes) / (1 << 20), took / 1000);
}

/// Of a job that did not get all that it needs to go on from a checkpoint: begins it again, with
/// what the model's memory has.
void Scheduler::restart(RunningJob& job) {
  reused_tokens_ -= static_cast<std::uint64_t>(job.restored);
  restored_tokens_ -= static_cast<std::uint64_t>(job.restored);
  job.restored = 0;
  mover_->give_up(job.stored);
  job.may_restore = false;
  tree_->drop(std::exchange(job.sequence, -1));
  suspend(job);
}

/// One token of each running answer, then parts of the prompts in their turns; or, where both are
/// computed separately, one or the other.
std::vector<BatchToken> Scheduler::compose() const {
  std::vector<BatchToken> batch;
  const auto put = [&batch](const RunningJob& job, std::size_t count) {
    int position = job.computed;
    for (const Token token : job.next(count))
      batch.push_back({token, position++, job.sequence, false});
    batch.back().output = count == job.pending(); // the last known token: sample behind it
  };
  for (const auto& job : running_)
    if (job->streams() && job->stored.empty() && std::cmp_less(batch.size(), options_.batch_tokens))
      put(*job, 1);
  std::vector<RunningJob*> waiting = prompts();
  turns_.arrange(waiting);
  std::size_t room = prompt_room(batch, waiting);
  const ImageInput* const image = waiting.empty() ? nullptr : waiting.front()->image();
  if ((options_.separate || image) && !batch.empty() && !waiting.empty()) {
    if (answers_next_)
      return batch;
    batch.clear();
  }
  if (image) {
    put(*waiting.front(), image->tokens().size());
    return batch;
  }
  for (const RunningJob* job : waiting) {
    if (room == 0)
      break;
    if (job->image())
      continue; // it will be first in its turn
    const std::size_t count = std::min({job->pending(), job->until_stop(), room});
    put(*job, count);
    room -= count;
  }
  return batch;
}

bool Scheduler::step() {
  if (mover_)
    mover_->answering(is_answering()); // from here on: who is admitted may take others' place
  admit();
  const bool dropped = drop_failed_images();
  if (running_.empty())
    return dropped;
  if (mover_)
    bring_back();
  std::vector<BatchToken> batch = compose();
  while (!tree_->reserve(batch.size())) {
    if (running_.size() == 1) {
      fail(*running_.front(), "the KV pool has no room for the request; start with a larger --ctx");
      sweep();
      return true;
    }
    RunningJob* const last = last_below(Priority::interactive);
    suspend(last ? *last : *running_.back());
    batch = compose();
  }
  const std::vector<RunningJob*> waiting = prompts();
  const bool for_prompts = std::ranges::any_of(waiting, [&](const RunningJob* job) {
    return std::ranges::contains(batch, job->sequence, &BatchToken::sequence);
  });
  if (for_prompts)
    turns_.took(waiting, batch);
  const double begin = options_.clock();
  if (!batch.empty())
    compute(batch);
  else
    wait_for_what_comes();
  if (!for_prompts && !batch.empty())
    answers_took_ = options_.clock() - begin;
  answers_next_ = for_prompts;
  sweep();
  if (mover_)
    mover_->between_batches();
  return true;
}

/// Computes a batch, and books the time it took.
DecodeStatus Scheduler::decode(std::span<const BatchToken> batch) {
  if (kv::is_image(batch.front().token)) { // what it costs says nothing of a text's
    const auto job = std::ranges::find_if(
        running_, [&](const auto& one) { return one->sequence == batch.front().sequence; });
    return decoder_.decode_image((*job)->sequence, (*job)->computed, *(*job)->image());
  }
  const std::size_t span = tree_->used() + batch.size();
  const double begin = options_.clock();
  const DecodeStatus status = decoder_.decode(batch);
  const double took = options_.clock() - begin;
  if (status == DecodeStatus::ok) {
    costs_.observe(batch.size(), attended(batch), took);
    if (mover_)
      mover_->computed(static_cast<int>(batch.size()), span, took);
  }
  return status;
}

bool Scheduler::work_while_idle() {
  return mover_ && mover_->work_while_idle();
}

void Scheduler::compute(std::span<const BatchToken> batch) {
  DecodeStatus status = decode(batch);
  if (status == DecodeStatus::no_space) {
    tree_->clear_idle(); // libllama's own view of the pool decides
    status = decode(batch);
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
void Scheduler::after_batch(RunningJob& job, std::span<const BatchToken> batch) {
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
  if (std::ranges::binary_search(job.checkpoints, job.computed)) {
    tree_->checkpoint(job.sequence);
    if (mover_)
      mover_->keep_checkpoint(job.job.tenant,
                              std::span(job.tokens).first(static_cast<std::size_t>(job.computed)));
  }
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

void Scheduler::sample(RunningJob& job, int index) {
  if (!job.started())
    job.emit(JobStarted{static_cast<int>(job.job.prompt.size()),
                        std::min(job.prompt_computed, static_cast<int>(job.job.prompt.size()))});
  if (mover_ && !job.started())
    mover_->keep(job.job.tenant,
                 std::span(job.tokens).first(static_cast<std::size_t>(job.computed)),
                 std::min(job.job.stable_tokens, job.computed));
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

void Scheduler::emit_text(RunningJob& job, std::string_view bytes) {
  auto result = job.stops.push(job.splitter.push(bytes));
  if (!result.emit.empty())
    job.emit(JobText{std::move(result.emit)});
  if (result.matched)
    end(job, EndReason::stop_sequence, *result.matched);
}

void Scheduler::end(RunningJob& job, EndReason reason, std::string stop_sequence) {
  if (reason != EndReason::stop_sequence) {
    auto rest = job.stops.push(job.splitter.finish());
    rest.emit += job.stops.finish();
    if (!rest.emit.empty())
      job.emit(JobText{std::move(rest.emit)});
  }
  JobEnded event{reason,
                 std::move(stop_sequence),
                 job.generated,
                 {job.tokens.end() - job.generated, job.tokens.end()}};
  leave(job); // first, so that a client's next request finds the prefix
  job.emit(std::move(event));
}

void Scheduler::fail(RunningJob& job, const std::string& message) {
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
  stats.paused = paused_;
  stats.idle_cells = tree_->used() - tree_->held();
  stats.span = decoder_.span();
  stats.checkpoints = tree_->checkpoints();
  stats.checkpoint_bytes = tree_->checkpoint_bytes();
  if (mover_) {
    stats.restored_tokens = restored_tokens_;
    stats.moved_out_tokens = mover_->moved_out_tokens();
    stats.restored_bytes = restored_bytes_;
    stats.restoring_ms = restoring_ms_;
    stats.lost_tokens = mover_->lost_tokens();
    stats.unstored_prefixes = mover_->waiting();
    stats.copied_blocks = mover_->copied_blocks();
    stats.copying_ms = mover_->copying_ms();
    stats.has_disk = options_.store->has_disk();
    stats.store = options_.store->stats();
  }
  return stats;
}

kv::PrefixOutline Scheduler::outline(std::size_t most) const {
  kv::PrefixOutlineBuilder outline;
  tree_->show(outline);
  const auto show = [&outline](const RunningJob& job) {
    const std::string& name = job.job.conversation;
    const int conversation = name.empty() ? -1 : outline.conversation(name);
    auto* const root = outline.root(job.job.tenant);
    outline.add(root, job.tokens, {.is_asked_for = true, .conversation = conversation});
    outline.note(root,
                 std::span(job.job.prompt).first(static_cast<std::size_t>(job.job.stable_tokens)),
                 {.is_stable = true});
  };
  for (const auto& job : running_)
    show(*job);
  for (const auto& job : queue_)
    show(*job);
  recent_.show(outline);
  if (options_.store && options_.reuse)
    options_.store->show(outline);
  return outline.finish(most);
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
