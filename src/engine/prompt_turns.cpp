#include "engine/prompt_turns.h"

#include <algorithm>
#include <iterator>

namespace anyclaude::engine {

namespace {

bool is_background(const RunningJob* job) {
  return job->priority() == Priority::background;
}

} // namespace

void PromptTurns::arrange(std::vector<RunningJob*>& prompts) const {
  const bool shortest_first = batch_ % 2 == 0;
  std::ranges::sort(prompts, [&](const RunningJob* a, const RunningJob* b) {
    if (shortest_first && a->priority() == b->priority() && a->pending() != b->pending())
      return a->pending() < b->pending();
    return a->before(*b);
  });
  if (passed_over_ + 1 < kPatience)
    return;
  const auto low = std::ranges::find_if(prompts, is_background);
  const auto due = std::ranges::min_element(low, prompts.end(), {}, &RunningJob::last_turn);
  if (due != prompts.end())
    std::rotate(prompts.begin(), due, std::next(due));
}

void PromptTurns::took(const std::vector<RunningJob*>& prompts, std::span<const BatchToken> batch) {
  bool waited = false;
  bool served_low = false;
  for (RunningJob* job : prompts) {
    const bool has_part = std::ranges::contains(batch, job->sequence, &BatchToken::sequence);
    if (has_part)
      job->last_turn = batch_;
    waited = waited || is_background(job);
    served_low = served_low || (has_part && is_background(job));
  }
  passed_over_ = waited && !served_low ? passed_over_ + 1 : 0;
  ++batch_;
}

} // namespace anyclaude::engine
