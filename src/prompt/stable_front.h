#pragma once

#include "prompt/chat_template.h"
#include "prompt/control_text.h"

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace anyclaude::prompt {

/// Knows where a template ends what every session has alike: tools and system text, in front of the
/// first question. Found by rendering probes; where a template puts the system text into a turn of
/// the user, nothing is known to be alike. Immutable.
class StableFront {
 public:
  StableFront() = default; // nothing is
  /// `turn_starts` are the control texts that begin a message.
  StableFront(const ChatTemplate& chat_template, const ControlText& control,
              std::span<const std::string> turn_starts);

  /// How many tokens of a prompt that is made from `input` are alike; `boundaries` are where its
  /// turns begin, as SegmentTokenizer tells them.
  int end(const TemplateInput& input, std::span<const int> boundaries) const;

 private:
  static constexpr std::size_t kMostSystems = 2; // messages in front

  /// By [number of system messages - 1][whether there are tools]: which boundary is the first
  /// question's, counted from 1; 0: none is.
  std::array<std::array<std::size_t, 2>, kMostSystems> boundary_{};
};

} // namespace anyclaude::prompt
