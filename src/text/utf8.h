#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace anyclaude::text {

/// U+FFFD, for what cannot be shown.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Cuts a stream of bytes at the borders of code points: a token of a model may end in the middle
/// of a character, and what goes into JSON must be whole. Bytes that can never become a character
/// are replaced by U+FFFD, one for each maximal subpart of an ill-formed sequence (The Unicode
/// Standard 15.0, section 3.9, table 3-7 and "U+FFFD Substitution of Maximal Subparts").
/// The result does not depend on where the stream was cut. Not thread-safe.
class Utf8Splitter {
 public:
  /// Returns what is complete by now, and keeps an unfinished character (at most three bytes).
  std::string push(std::string_view bytes);

  /// Ends the stream: an unfinished character becomes U+FFFD. The splitter can be used again.
  std::string finish();

  /// Whether push() has kept an unfinished character.
  bool has_pending() const { return pending_size_ != 0; }

 private:
  void begin_character(unsigned char byte, std::string& out);

  std::array<char, 3> pending_{};
  std::size_t pending_size_ = 0;
  int missing_ = 0;             // continuation bytes still to come
  unsigned char lowest_ = 0x80; // range of the next continuation byte
  unsigned char highest_ = 0xBF;
};

/// `bytes` as valid UTF-8, invalid parts replaced as Utf8Splitter does.
std::string to_valid_utf8(std::string_view bytes);

} // namespace anyclaude::text
