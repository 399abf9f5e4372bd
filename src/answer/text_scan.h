#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

/// Looking for markers in text that is still growing.
namespace anyclaude::answer {

inline constexpr std::string_view kBlank = " \t\r\n";

inline void skip_blank(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
}

inline std::string_view trim(std::string_view text) {
  skip_blank(text);
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

/// Takes `marker` from the front of the text where it stands there.
inline bool take(std::string_view& text, std::string_view marker) {
  if (!text.starts_with(marker))
    return false;
  text.remove_prefix(marker.size());
  return true;
}

/// Whether the whole text may become the beginning of `marker` with more text.
inline bool may_become(std::string_view text, std::string_view marker, bool at_end) {
  return !at_end && text.size() < marker.size() && marker.starts_with(text);
}

/// Where `marker` begins, within the first `longest` bytes of the text or not at all (npos): so the
/// answer is the same wherever the text is cut. Nothing while more text may show it.
inline std::optional<std::size_t> find_near(std::string_view text, std::string_view marker,
                                            std::size_t longest, bool at_end) {
  const std::string_view front = text.substr(0, longest + marker.size());
  const auto at = front.find(marker);
  if (at == std::string_view::npos && !at_end && front.size() < longest + marker.size())
    return std::nullopt;
  return at;
}

/// The same of the first of some characters.
inline std::optional<std::size_t> find_any_near(std::string_view text, std::string_view characters,
                                                std::size_t longest, bool at_end) {
  const std::string_view front = text.substr(0, longest + 1);
  const auto at = front.find_first_of(characters);
  if (at == std::string_view::npos && !at_end && front.size() <= longest)
    return std::nullopt;
  return at;
}

/// Length of the longest end of `text` that begins `marker` without being all of it.
inline std::size_t partial_length(std::string_view text, std::string_view marker) {
  for (std::size_t length = std::min(text.size(), marker.size() - 1); length > 0; --length)
    if (text.ends_with(marker.substr(0, length)))
      return length;
  return 0;
}

/// Whether a tool can be called so; Anthropic's names and those with a namespace in front.
inline bool is_tool_name(std::string_view name) {
  constexpr std::size_t kLongest = 128;
  return !name.empty() && name.size() <= kLongest && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-.:/").contains(c);
  });
}

struct MarkerAt {
  std::size_t at = 0;      // where it begins; with no marker, how much of the text cannot be of one
  std::string_view marker; // empty: none is there
};

/// The first of these markers in the text.
inline MarkerAt find_marker(std::string_view text, std::span<const std::string_view> markers,
                            bool at_end) {
  MarkerAt found{text.size(), {}};
  for (const auto marker : markers)
    if (const auto at = text.find(marker); at < found.at)
      found = {at, marker};
  if (found.marker.empty() && !at_end)
    for (const auto marker : markers)
      found.at = std::min(found.at, text.size() - partial_length(text, marker));
  return found;
}

} // namespace anyclaude::answer
