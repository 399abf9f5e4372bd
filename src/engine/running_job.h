#pragma once

#include "engine/decoder.h"
#include "engine/job.h"
#include "engine/prefix_mover.h"
#include "text/stop_sequences.h"
#include "text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace anyclaude::engine {

using JobId = std::uint64_t;

/// A job as the scheduler knows it, in the queue and while it runs.
struct RunningJob {
  /// So often may others overtake a job of low priority in the queue; from then on it is as
  /// urgent as they are, until it ends.
  static constexpr int kPatience = 8;

  RunningJob(JobId number, std::uint64_t arrival, Job asked)
      : id(number), ticket(arrival), job(std::move(asked)), tokens(job.prompt),
        stops(job.stop_sequences) {}

  JobId id;
  std::uint64_t ticket; // grows with each arrival
  Job job;
  std::vector<Token> tokens;             // the prompt and what was sampled
  SequenceId sequence = -1;              // none while queued
  int computed = 0;                      // leading tokens whose cells the sequence holds
  int prompt_computed = 0;               // tokens of the prompt that were passed to decode
  std::deque<PrefixMover::Piece> stored; // what comes back from the store before it goes on
  int restored = 0;                      // tokens that came back so
  std::size_t restore_bytes = 0;         // of what comes back
  double restore_began = -1;             // milliseconds of the scheduler's clock; -1: it has not
  bool restore_is_long = false;
  bool may_restore = true;      // until that has failed
  std::vector<int> checkpoints; // places behind which one is to be made, ascending
  int generated = 0;
  bool admitted = false;                // was in the running list before
  bool over = false;                    // to be removed
  int overtaken = 0;                    // times that a later job was started before it
  Priority lent = Priority::background; // of the jobs that wait for what it computes
  std::uint64_t last_turn = 0;          // when a part of its prompt was computed
  std::unique_ptr<Sampler> sampler;
  text::Utf8Splitter splitter;
  text::StopSequences stops;

  bool started() const { return generated > 0; }
  std::size_t pending() const { return tokens.size() - static_cast<std::size_t>(computed); }
  /// An answer that needs one token more; otherwise a prompt, or an answer that was paused.
  bool streams() const { return started() && pending() == 1; }
  /// The image that comes next; null where text does.
  ImageInput* image() const {
    const auto next = std::ranges::lower_bound(job.images, computed, {}, &PlacedImage::begin);
    return next != job.images.end() && next->begin == computed ? next->input.get() : nullptr;
  }
  /// Tokens of text until the next place where prefill has to stop, a checkpoint or an image; all
  /// that are left where there is none.
  std::size_t until_stop() const {
    const auto left = [this](int place) { return static_cast<std::size_t>(place - computed); };
    const auto checkpoint = std::ranges::upper_bound(checkpoints, computed);
    const auto image = std::ranges::upper_bound(job.images, computed, {}, &PlacedImage::begin);
    return std::min(checkpoint == checkpoints.end() ? pending() : left(*checkpoint),
                    image == job.images.end() ? pending() : left(image->begin));
  }
  std::span<const Token> next(std::size_t count) const {
    return std::span(tokens).subspan(static_cast<std::size_t>(computed), count);
  }
  void emit(JobEvent event) const {
    if (job.on_event)
      job.on_event(std::move(event));
  }

  /// Its own or that of a job that waits for it; everybody's who was overtaken too often.
  Priority priority() const {
    return overtaken >= kPatience ? Priority::interactive : std::max(job.priority, lent);
  }
  bool before(const RunningJob& other) const {
    return priority() != other.priority() ? priority() > other.priority() : ticket < other.ticket;
  }
};

} // namespace anyclaude::engine
