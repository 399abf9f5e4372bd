#pragma once

#include "engine/running_job.h"

#include <cstdint>
#include <span>
#include <vector>

namespace anyclaude::engine {

/// Whose prompt goes first in a batch. The first one takes as much as there is room for, the next
/// ones what it leaves:
///
///   * prompts of high priority before those of low priority;
///   * among equals, in every second batch the one that came first and in the others the one with
///     the least left, so that neither a long prompt nor a short one waits more than twice as long
///     as it must;
///   * where prompts of low priority got nothing in seven batches in a row, one of them is first in
///     the eighth, each in its turn.
class PromptTurns {
 public:
  static constexpr int kPatience = 8; // batches

  /// Sorts the prompts for the next batch.
  void arrange(std::vector<RunningJob*>& prompts) const;

  /// Says what the batch was, for which these prompts waited.
  void took(const std::vector<RunningJob*>& prompts, std::span<const BatchToken> batch);

 private:
  std::uint64_t batch_ = 1;
  int passed_over_ = 0; // batches in a row without a prompt of low priority that waited
};

} // namespace anyclaude::engine
