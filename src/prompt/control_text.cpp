#include "prompt/control_text.h"

#include <algorithm>

namespace anyclaude::prompt {

namespace {

constexpr std::string_view kMark = "\xEF\xB7\x90"; // U+FDD0, a noncharacter

} // namespace

ControlText::ControlText(std::vector<std::string> texts) {
  for (auto& text : texts)
    if (text.size() > 1) // a single byte cannot be cut
      by_first_byte_[static_cast<unsigned char>(text.front())].push_back(std::move(text));
}

std::string ControlText::protect(std::string_view text) const {
  std::string clean;
  clean.reserve(text.size());
  for (const auto part : split(text))
    clean += part;

  std::string result;
  result.reserve(clean.size() + 16);
  const std::string_view source = clean;
  for (std::size_t i = 0; i < source.size(); ++i) {
    result += source[i];
    const auto& candidates = by_first_byte_[static_cast<unsigned char>(source[i])];
    const auto rest = source.substr(i);
    if (std::ranges::any_of(candidates, [&](const auto& c) { return rest.starts_with(c); }))
      result += kMark;
  }
  return result;
}

std::vector<std::string_view> ControlText::split(std::string_view rendered) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto mark = rendered.find(kMark);
    parts.push_back(rendered.substr(0, mark));
    if (mark == std::string_view::npos)
      return parts;
    rendered.remove_prefix(mark + kMark.size());
  }
}

} // namespace anyclaude::prompt
