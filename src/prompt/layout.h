#pragma once

#include "anthropic/messages.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace anyclaude::prompt {

/// In which order a prompt says what it says.
enum class Layout {
  stable_first, // what changes between sessions stands behind what does not
  as_sent,      // as the client wrote it
};

/// "stable-first" or "as-sent".
std::optional<Layout> parse_layout(std::string_view name);

/// What stands in front of a conversation's first words.
struct Opening {
  std::string system;  // for every session alike
  std::string session; // of this session: directory, date; belongs behind `system`
  /// The messages [begin, end) whose text is all in here, and no more in the conversation.
  std::size_t inline_begin = 0;
  std::size_t inline_end = 0;
};

/// Gathers the system prompt and the inline system messages at the conversation's beginning: those
/// in front of the first message or right behind it. Only what stands in `system` and in messages
/// of the role system moves; text in messages of the user or in tool results never does, whatever
/// it looks like. The billing line is dropped: it fingerprints the first question. Depends on the
/// first messages alone, so that it is the same in every turn of a conversation.
Opening lay_out_opening(const anthropic::Request& request, Layout layout);

} // namespace anyclaude::prompt
