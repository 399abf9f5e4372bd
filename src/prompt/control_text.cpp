#include "prompt/control_text.h"

namespace anyclaude::prompt {

namespace {

constexpr std::string_view kMark = "\xEF\xB7\x90"; // U+FDD0, a noncharacter

std::string without(std::string_view text, std::string_view mark) {
  std::string clean;
  clean.reserve(text.size());
  for (;;) {
    const auto found = text.find(mark);
    clean += text.substr(0, found);
    if (found == std::string_view::npos)
      return clean;
    text.remove_prefix(found + mark.size());
  }
}

std::vector<std::string_view> parts_between(std::string_view mark, std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto found = text.find(mark);
    parts.push_back(text.substr(0, found));
    if (found == std::string_view::npos)
      return parts;
    text.remove_prefix(found + mark.size());
  }
}

} // namespace

ControlText::ControlText(std::vector<std::string> texts) {
  for (auto& text : texts)
    if (text.size() > 1) { // a single byte cannot be cut
      is_empty_ = false;
      by_first_byte_[static_cast<unsigned char>(text.front())].push_back(std::move(text));
    }
}

std::string ControlText::protect(std::string_view text) const {
  std::string clean(text);
  if (text.contains(kMark.front())) // they all begin with the same byte
    for (const std::string_view mark : {kMark, kPlaceMark, kAnswerMark, kImageMark})
      clean = without(clean, mark);
  if (is_empty_)
    return clean;

  const std::string_view source = clean;
  std::string result;
  std::size_t done = 0; // of the source
  for (std::size_t i = 0; i < source.size(); ++i)
    if (match(source.substr(i)) > 0) {
      result += source.substr(done, i + 1 - done);
      result += kMark;
      done = i + 1;
    }
  if (done == 0)
    return clean;
  result += source.substr(done);
  return result;
}

std::size_t ControlText::match(std::string_view text) const {
  std::size_t longest = 0;
  if (!text.empty())
    for (const std::string& control : by_first_byte_[static_cast<unsigned char>(text.front())])
      if (control.size() > longest && text.starts_with(control))
        longest = control.size();
  return longest;
}

std::vector<std::string_view> ControlText::split(std::string_view rendered) {
  return parts_between(kMark, rendered);
}

std::vector<std::string_view> ControlText::split_at_images(std::string_view rendered) {
  return parts_between(kImageMark, rendered);
}

} // namespace anyclaude::prompt
