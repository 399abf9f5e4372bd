#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace anyclaude::bench {

/// The first request of a conversation, of the shape that Claude Code 2.1.330 sends headless: 12
/// tools (31,000 characters), a system prompt of 6,900 characters in three blocks with a line on
/// top that differs with every question, an inline system message of 9,000 characters behind the
/// person's words. The words themselves are drawn from the demo models' word lists. `scale` makes
/// all texts but the person's longer or shorter; the last one has `more` characters beyond that.
/// Returns the JSON of `system` and `tools`, and that of the first two messages.
struct SyntheticRequest {
  std::string system;
  std::string tools;
  std::string messages; // without the brackets
};
SyntheticRequest synthetic_request(std::string_view words, double scale = 1, std::size_t more = 0);

} // namespace anyclaude::bench
