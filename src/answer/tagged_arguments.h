#pragma once

#include "answer/writer.h"

#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <string_view>

namespace anyclaude::answer {

/// Whether a schema allows strings.
bool allows_string(const Json& schema);

/// How a family writes a call's arguments as tags. Blanks between tags mean nothing.
struct TagSyntax {
  std::string key_open;        // "<parameter="
  std::string key_close;       // ">"
  std::string value_open;      // "<arg_value>"; empty: the value begins behind the key
  std::string value_close;     // "</parameter>"
  std::string end;             // "</function>"
  std::string outer_end;       // what follows `end`: "</tool_call>"; empty: nothing does
  bool value_on_lines = false; // a line end behind the opening and one before the end are the tags'
};

/// Reads arguments that are written as tags with the values' plain text between them, and writes
/// them as members of one JSON object. The tool's schema says what a text means: a string as it
/// stands, else JSON where it is such, else a string too. A value ends at its closing tag, or where
/// models forget that, at the tag of another argument that the tool has, or at the call's end.
class TaggedArguments {
 public:
  explicit TaggedArguments(TagSyntax syntax) : syntax_(std::move(syntax)) {}

  /// `tool`: null for one that was not offered. Call once, before read().
  void begin(const ToolSpec* tool);

  /// False while more text is needed. Behind the end (or where no argument follows) the call has
  /// been ended too; `end` has been taken and `outer_end` has not.
  bool read(std::string_view& text, bool at_end, Writer& writer);

 private:
  enum class Kind { string, string_or_null, choice, json, unknown };
  struct ValueEnd {
    std::size_t length = 0;  // of the value's part that is certain
    std::size_t closing = 0; // bytes of the closing tag behind it
    bool found = false;
  };

  bool between(std::string_view& text, bool at_end, Writer& writer);
  bool open_value(std::string_view& text, bool at_end, Writer& writer);
  bool value(std::string_view& text, bool at_end, Writer& writer);
  ValueEnd find_end(std::string_view text, bool at_end) const;
  int ends_here(std::string_view rest, bool at_end) const;
  const Json* schema_of(const std::string& key) const;
  Kind kind_of(const std::string& key) const;
  void write_value(std::string_view part, Writer& writer);
  void end_value(Writer& writer);
  bool end(Writer& writer, bool cut);

  TagSyntax syntax_;
  const ToolSpec* tool_ = nullptr;
  std::set<std::string, std::less<>> given_;
  bool over_ = false;
  bool in_value_ = false;
  bool at_value_start_ = false;
  bool string_open_ = false; // a string is being written
  Kind kind_ = Kind::string;
  Json choices_;     // of a choice, not all of them strings
  std::string held_; // of a value that is not a string
};

} // namespace anyclaude::answer
