#pragma once

#include "kv/sequence_memory.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace anyclaude::kv {

/// `first` and those behind it.
inline std::vector<Token> range(Token first, std::size_t count) {
  std::vector<Token> tokens(count);
  std::ranges::iota(tokens, first);
  return tokens;
}

inline std::vector<Token> operator+(std::vector<Token> left, const std::vector<Token>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

} // namespace anyclaude::kv
