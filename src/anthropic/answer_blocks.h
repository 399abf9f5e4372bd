#pragma once

#include "anthropic/events.h"
#include "anthropic/messages.h"

#include <string>
#include <vector>

namespace anyclaude::anthropic {

/// Gathers a backend's events into the blocks that a client gets, and sends back with its next
/// request. Not thread-safe.
class AnswerBlocks {
 public:
  void add(const Event& event);

  /// Call after the last event; a tool's input that is no JSON object is an empty one.
  std::vector<ContentBlock> take();

 private:
  void close_input();

  std::vector<ContentBlock> blocks_;
  std::string input_; // of the tool call begun last
};

} // namespace anyclaude::anthropic
