#include "text/printable.h"

#include "text/utf8.h"

#include <cstddef>

namespace anyclaude::text {
namespace {

bool is_between(char byte, unsigned char least, unsigned char most) {
  const auto value = static_cast<unsigned char>(byte);
  return value >= least && value <= most;
}

/// Bytes of what must not be printed and begins here; 0: this may be.
std::size_t unprintable_at(std::string_view text) {
  if (is_between(text[0], 0x00, 0x1F) || text[0] == '\x7F')
    return 1;
  if (text.size() >= 2 && text[0] == '\xC2' && is_between(text[1], 0x80, 0x9F)) // C1 as UTF-8
    return 2;
  if (text.size() >= 3 && text[0] == '\xE2' &&
      ((text[1] == '\x80' && is_between(text[2], 0xAA, 0xAE)) ||
       (text[1] == '\x81' && is_between(text[2], 0xA6, 0xA9))))
    return 3;
  return 0;
}

} // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bad = text[0] == '\n' || text[0] == '\t' ? 0 : unprintable_at(text);
    if (bad > 0)
      out += kReplacement;
    else
      out += text[0];
    text.remove_prefix(bad > 0 ? bad : 1);
  }
  return out;
}

std::string printable_line(std::string_view text) {
  std::string line = printable(text);
  for (char& c : line)
    if (c == '\n' || c == '\t')
      c = ' ';
  return line;
}

} // namespace anyclaude::text
