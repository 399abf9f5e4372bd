#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::answer {

/// Reads one JSON value as models write it, piece by piece, and writes it as strict JSON without
/// needless blanks. Repaired is what can be meant in one way only: bare line ends and unknown
/// escapes in strings, quotes inside of a string that were not escaped, single quotes, trailing and
/// missing commas, bare keys and words, Python's True and None, numbers like .5, missing closing
/// brackets. Valid JSON is never read otherwise than JSON says. Linear in the text; nesting beyond
/// 100 is broken.
class LenientJson {
 public:
  struct Syntax {
    /// Text that ends the value even where brackets are missing, such as "</tool_call>".
    std::vector<std::string_view> closers;
    /// What strings stand between, instead of quotes, with nothing escaped in them; empty: JSON's.
    std::string_view raw_quote;
  };

  LenientJson() = default;
  explicit LenientJson(Syntax syntax) : syntax_(std::move(syntax)) {}

  /// Takes what is certain from the front of `text` and appends it to `out`. The rest has to be
  /// offered again with what follows it, unless the value is complete or broken. With `at_end`,
  /// nothing follows.
  void read(std::string_view& text, bool at_end, std::string& out);

  bool complete() const { return expect_ == Expect::nothing; }
  /// At the front of the text stands what cannot be repaired. What was written can be closed.
  bool broken() const { return broken_; }
  /// In the middle of a string: what was written says less than was meant, if this is the end.
  bool in_string() const { return expect_ == Expect::string; }

  /// Ends the value wherever it is, as valid JSON.
  void close(std::string& out);

 private:
  enum class Expect { value, key, colon, comma, string, nothing };
  enum class Answer { yes, no, unknown };
  struct Level {
    bool object;
    bool has_items;
  };

  bool step(std::string_view& text, bool at_end, std::string& out);
  bool value(std::string_view& text, bool at_end, std::string& out);
  bool bare_word(std::string_view& text, bool at_end, std::string& out);
  bool key(std::string_view& text, bool at_end, std::string& out);
  bool behind_value(std::string_view& text, std::string& out);
  bool string(std::string_view& text, bool at_end, std::string& out);
  bool raw_string(std::string_view& text, bool at_end, std::string& out);
  bool escape(std::string_view& text, bool at_end, std::string& out);
  bool unicode_escape(std::string_view& text, bool at_end, std::string& out);
  bool open_string(std::string_view& text, bool at_end, std::string& out, bool is_key);
  bool may_be_raw_quote(std::string_view text, bool at_end) const;
  Answer ends_string(std::string_view behind, bool at_end) const;
  Answer at_closer(std::string_view text, bool at_end) const;
  bool refuse();
  bool close_level(char bracket, std::string& out);
  void separate(std::string& out);
  void end_value();

  Syntax syntax_;
  std::vector<Level> levels_;
  Expect expect_ = Expect::value;
  bool broken_ = false;
  char quote_ = '"';
  bool raw_ = false;    // the string stands between raw quotes
  bool in_key_ = false; // the string is a key
};

/// `text` as a JSON string, quotes included; the text must be UTF-8.
std::string json_quote(std::string_view text);
/// The same without quotes: for strings that are written piece by piece.
void json_escape(std::string_view text, std::string& out);

} // namespace anyclaude::answer
