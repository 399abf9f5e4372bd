#pragma once

#include "engine/job.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace anyclaude::engine {

/// What a client hears of one job.
struct Heard {
  /// The kinds of events in order: p(rogress), s(tarted), t(ext), e(nded), f(ailed).
  std::string kinds;
  std::vector<JobProgress> progress;
  std::optional<JobStarted> started;
  std::vector<std::string> pieces;
  std::optional<JobEnded> ended;
  std::string failure;

  void operator()(const JobEvent& event) {
    if (const auto* p = std::get_if<JobProgress>(&event)) {
      kinds += 'p';
      progress.push_back(*p);
    } else if (const auto* s = std::get_if<JobStarted>(&event)) {
      kinds += 's';
      started = *s;
    } else if (const auto* t = std::get_if<JobText>(&event)) {
      kinds += 't';
      pieces.push_back(t->text);
    } else if (const auto* e = std::get_if<JobEnded>(&event)) {
      kinds += 'e';
      ended = *e;
    } else {
      kinds += 'f';
      failure = std::get<JobFailed>(event).message;
    }
  }

  std::string text() const {
    std::string all;
    for (const auto& piece : pieces)
      all += piece;
    return all;
  }
  bool over() const { return ended.has_value() || !failure.empty(); }
  int reused() const { return started ? started->prompt_tokens - started->computed : -1; }
};

} // namespace anyclaude::engine
