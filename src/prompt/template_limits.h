#pragma once

#include <cstddef>

namespace anyclaude::prompt {

/// What rendering a chat template once may cost, beside what grows with the conversation. Rendering
/// all probes of a new one costs no more.
struct TemplateLimits {
  std::size_t steps = 2'000'000;              // expressions and blocks; about a microsecond each
  std::size_t bytes = std::size_t{256} << 20; // of values made on the way
};

} // namespace anyclaude::prompt
