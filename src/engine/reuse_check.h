#pragma once

#include "engine/decoder.h"

#include <filesystem>
#include <optional>
#include <string>

namespace anyclaude::engine {

struct ReuseCheckOptions {
  int context_tokens = 0; // cells of the pool, which must be empty
  int batch_tokens = 0;
  int vocabulary = 0;
  int window = 0; // tokens that sliding-window layers look back; 0: there are none
};

/// Differences are roots of mean squares over the logits of one token; the largest of some.
struct ReuseVerdict {
  bool exact = false;
  double difference = 0; // of what was computed on a restored state
  double noise = 0;      // of what was computed from the start in batches of another shape
  double other = 0;      // of what was computed behind another text
};

/// Whether this model goes on from a checkpoint as if it had never stopped. Some tokens are
/// computed behind a text that is longer than the window: from the start, on the sequence itself,
/// on a fork restored after the sequence has moved on, and on a fork of that. The logits may differ
/// as much as batch shapes alone make them. Computes the text twice; needs three sequences, and
/// leaves the memory empty. An `exact` of false also says that it could not be told.
ReuseVerdict check_reuse(Decoder& decoder, const ReuseCheckOptions& options);

/// The verdict that was kept for a model; none when there is no readable one.
std::optional<ReuseVerdict> read_verdict(const std::filesystem::path& folder,
                                         const std::string& key);

/// Keeps a verdict in `folder`, which is made if need be. False when that failed.
bool write_verdict(const std::filesystem::path& folder, const std::string& key,
                   const ReuseVerdict& verdict);

} // namespace anyclaude::engine
