#include "demo/byte_level.h"

#include <array>
#include <cstddef>

namespace anyclaude::demo {

namespace {

std::string utf8(unsigned code_point) {
  if (code_point < 0x80)
    return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3F))};
}

std::array<std::string, 256> make_byte_characters() {
  std::array<std::string, 256> characters;
  unsigned moved = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    characters[byte] = utf8(printable ? byte : 256 + moved++);
  }
  return characters;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_punctuation(char c) {
  return !is_letter(c) && !is_digit(c) && !is_space(c);
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// 's 't 're 've 'm 'll 'd, in any case; 0 when there is none.
std::size_t contraction_length(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'')
    return 0;
  const char first = lower(text[1]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd')
    return 2;
  if (text.size() < 3)
    return 0;
  const char second = lower(text[2]);
  const bool two = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                   (first == 'l' && second == 'l');
  return two ? 3 : 0;
}

std::size_t run(std::string_view text, std::size_t from, bool (*belongs)(char)) {
  while (from < text.size() && belongs(text[from]))
    ++from;
  return from;
}

/// Blanks: line ends win (with all blanks before the last of them); else the last blank of a run is
/// left to the word that follows.
std::size_t space_length(std::string_view text) {
  const std::size_t end = run(text, 0, is_space);
  for (std::size_t i = end; i > 0; --i) {
    if (is_line_end(text[i - 1]))
      return i;
  }
  return end < text.size() && end > 1 ? end - 1 : end;
}

/// The length of the first word; the order of the cases is the order of the expression's branches.
std::size_t word_length(std::string_view text) {
  if (const std::size_t length = contraction_length(text))
    return length;
  if (is_letter(text[0]))
    return run(text, 0, is_letter);
  const bool may_lead = !is_digit(text[0]) && !is_line_end(text[0]);
  if (may_lead && text.size() > 1 && is_letter(text[1]))
    return run(text, 1, is_letter);
  if (is_digit(text[0]))
    return 1;
  const std::size_t start = text[0] == ' ' ? 1 : 0;
  const std::size_t end = run(text, start, is_punctuation);
  if (end > start)
    return run(text, end, is_line_end);
  return space_length(text);
}

} // namespace

std::string byte_character(std::uint8_t byte) {
  static const std::array<std::string, 256> kCharacters = make_byte_characters();
  return kCharacters[byte];
}

std::string to_byte_level(std::string_view text) {
  std::string spelled;
  for (const char c : text)
    spelled += byte_character(static_cast<std::uint8_t>(c));
  return spelled;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t length = word_length(text);
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return words;
}

} // namespace anyclaude::demo
