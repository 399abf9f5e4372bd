#include "launch/summary.h"

#include "text/quantity.h"

#include <format>

namespace anyclaude::launch {

using text::duration;
using text::grouped;

std::string session_summary(const SessionNumbers& numbers) {
  if (numbers.requests <= 0)
    return {};
  // Rounded down: 100% is only said when nothing was computed.
  const std::int64_t percent =
      numbers.prompt_tokens > 0 ? numbers.reused_tokens * 100 / numbers.prompt_tokens : 0;
  std::string line = std::format(
      "anyclaude: {} request{}, {} prompt tokens: {} reused ({}%), {} computed; {} generated",
      grouped(numbers.requests), numbers.requests == 1 ? "" : "s", grouped(numbers.prompt_tokens),
      grouped(numbers.reused_tokens), percent, grouped(numbers.computed_tokens),
      grouped(numbers.output_tokens));
  if (numbers.saved_ms > 0)
    line += std::format("; about {} saved", duration(numbers.saved_ms));
  return line + "\n";
}

} // namespace anyclaude::launch
