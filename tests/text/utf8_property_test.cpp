#include "text/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>

namespace anyclaude::text {
namespace {

/// Decodes one code point the slow way; returns its length, or 0 when the bytes at `i` begin none.
std::size_t well_formed_length(const std::string& s, std::size_t i) {
  const auto at = [&](std::size_t k) { return static_cast<unsigned char>(s[k]); };
  for (const std::size_t length : {1U, 2U, 3U, 4U}) {
    if (i + length > s.size()) {
      break;
    }
    static constexpr unsigned char kLead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    static constexpr unsigned char kMask[] = {0, 0x80, 0xE0, 0xF0, 0xF8};
    static constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if ((at(i) & kMask[length]) != kLead[length]) {
      continue;
    }
    std::uint32_t code = at(i) & static_cast<unsigned char>(~kMask[length]);
    bool good = true;
    for (std::size_t k = 1; k < length; ++k) {
      good = good && (at(i + k) & 0xC0) == 0x80;
      code = (code << 6) | (at(i + k) & 0x3FU);
    }
    if (good && code >= kSmallest[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF)) {
      return length;
    }
  }
  return 0;
}

/// Whether some continuation makes `prefix` a well-formed character: tried, not deduced.
bool can_become_character(const std::string& prefix) {
  if (prefix.size() > 3) {
    return false;
  }
  for (const char c : {'\x80', '\x90', '\xA0', '\xBF'}) {
    const std::string longer = prefix + c;
    if (well_formed_length(longer, 0) == longer.size() || can_become_character(longer)) {
      return true;
    }
  }
  return false;
}

/// The naive model: whole characters, else one U+FFFD for the longest start of a character.
std::string repaired(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    if (const std::size_t length = well_formed_length(s, i); length > 0) {
      out.append(s, i, length);
      i += length;
      continue;
    }
    std::size_t skip = 1;
    while (i + skip < s.size() && can_become_character(s.substr(i, skip + 1))) {
      ++skip;
    }
    out += "\xEF\xBF\xBD";
    i += skip;
  }
  return out;
}

/// Bytes that meet the borders of the table far more often than uniform ones.
rc::Gen<std::string> nearly_utf8() {
  return rc::gen::container<std::string>(rc::gen::oneOf(
      rc::gen::arbitrary<char>(),
      rc::gen::element('\x80', '\x8F', '\x90', '\x9F', '\xA0', '\xBF', '\xC0', '\xC2', '\xDF',
                       '\xE0', '\xE1', '\xED', '\xEF', '\xF0', '\xF3', '\xF4', '\xF5', 'a')));
}

RC_GTEST_PROP(Utf8SplitterProperty, AnyCutGivesTheNaiveModelsText, ()) {
  const std::string bytes = *nearly_utf8();
  Utf8Splitter splitter;
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    const auto size = *rc::gen::inRange<std::size_t>(1, 6);
    const std::string piece = splitter.push(bytes.substr(i, size));
    for (std::size_t k = 0; k < piece.size();) {
      const std::size_t length = well_formed_length(piece, k);
      RC_ASSERT(length > 0U);
      k += length;
    }
    out += piece;
    i += size;
  }
  out += splitter.finish();
  RC_ASSERT(out == repaired(bytes));
}

RC_GTEST_PROP(Utf8SplitterProperty, NothingCompleteIsHeldBack, ()) {
  const std::string bytes = repaired(*nearly_utf8());
  Utf8Splitter splitter;
  RC_ASSERT(splitter.push(bytes) == bytes);
  RC_ASSERT(!splitter.has_pending());
}

} // namespace
} // namespace anyclaude::text
