#include "text/letter_case.h"

#include <algorithm>

namespace anyclaude::text {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

} // namespace anyclaude::text
