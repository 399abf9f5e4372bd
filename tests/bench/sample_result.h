#pragma once

#include "bench/result.h"

namespace anyclaude::bench {

/// A measurement as it might have come out.
inline Result sample_result() {
  return {.version = "0.1.0",
          .date = "2026-11-25T17:40:00Z",
          .machine = {.cpu = "Some <CPU> & \"friend\"",
                      .cores = 8,
                      .memory_gib = 31.25,
                      .system = "Linux x86_64",
                      .accelerators = {"A GPU"}},
          .load_before = 0.25,
          .load_after = 1.5,
          .mode = "local",
          .model = "qwen",
          .client = "replay",
          .prompt = "synthetic",
          .wanted_tokens = 18'490,
          .context_tokens = 65'536,
          .sessions = 4,
          .repeats = 5,
          .rows = {{"cold", 18'490, 0, 18'490, {4000, 4100, 4050, 4200, 3900}},
                   {"followup", 18'600, 18'580, 20, {40, 41, 39, 42, 40.5}},
                   {"sessions", 18'490, 18'400, 90, {200, 210, 190, 220, 205}}}};
}

} // namespace anyclaude::bench
