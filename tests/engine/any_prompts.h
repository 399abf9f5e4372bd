#pragma once

#include "engine/simulation.h"

#include <rapidcheck.h>

#include <utility>
#include <vector>

namespace anyclaude::engine {

/// What a job was given, and whether its client left.
struct Asked {
  std::vector<Token> prompt;
  int max_tokens = 0;
  bool cancelled = false;
};

/// The ends of ranges, which are not in them; lengths in tokens.
struct PromptSizes {
  int tail = 30;
  std::size_t continued = 80;
  int stems = 3;
  int stem = 90;
};

/// Prompts that share their beginnings with others most of the time, and go on from an answer now
/// and then.
inline std::vector<Token> any_prompt(const std::vector<std::pair<JobId, Asked>>& asked,
                                     const PromptSizes& sizes = {}) {
  const auto tail = words(*rc::gen::inRange(10, 14), *rc::gen::inRange(1, sizes.tail));
  const int kind = *rc::gen::inRange(0, 3);
  if (kind == 0 && !asked.empty()) {
    const Asked& before = asked[*rc::gen::inRange<std::size_t>(0, asked.size())].second;
    if (before.prompt.size() < sizes.continued)
      return before.prompt + bytes(expected_text(before.prompt, before.max_tokens)) + tail;
  }
  return words(*rc::gen::inRange(0, sizes.stems), *rc::gen::inRange(1, sizes.stem)) + tail;
}

} // namespace anyclaude::engine
