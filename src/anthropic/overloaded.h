#pragma once

namespace anyclaude::anthropic {

/// Lambdas as one visitor of a variant.
template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

} // namespace anyclaude::anthropic
