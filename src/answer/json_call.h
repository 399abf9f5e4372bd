#pragma once

#include "answer/call_body.h"
#include "answer/lenient_json.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::answer {

/// Bytes within which a key of a call's object ends, with the blanks around it.
constexpr std::size_t kLongestCallKey = 64;

/// Reads one call written as a JSON object: {"name": …, "arguments": {…}}. The arguments may be
/// called "parameters", "input" or "args", may stand before the name, may be a string that holds
/// JSON, and may be missing; the object may stand within {"function": …}.
class JsonCall : public CallBody {
 public:
  struct Options {
    /// Texts that end the call where brackets are missing.
    std::vector<std::string_view> closers;
    /// A call is only one when its tool is offered: where nothing else tells it from other JSON.
    bool known_tools_only = false;
  };
  explicit JsonCall(Options options);

  Step read(std::string_view& text, bool at_end, Writer& writer) override;

  /// Whether it is a call; before, nothing was taken.
  bool begun() const { return state_ != State::header; }

 private:
  enum class State { header, arguments, string_end, tail, done };
  struct Header {
    std::string name;
    std::string arguments;        // complete ones, as strict JSON
    bool arguments_begin = false; // they stand at the end of what was read
    bool as_string = false;
    int open = 0; // brackets of the call's objects
  };
  Step begin(std::string_view& text, bool at_end, Writer& writer);
  Step header(std::string_view& text, bool at_end, Header& found);
  Step member(std::string_view& text, bool at_end, Header& found);
  Step arguments(std::string_view& text, bool at_end, Writer& writer);
  Step string_end(std::string_view& text, bool at_end);
  Step tail(std::string_view& text, bool at_end);
  void decode(std::string_view& text, bool at_end);

  Options options_;
  State state_ = State::header;
  LenientJson input_;
  int open_ = 0;
  bool as_string_ = false;
  std::string decoded_; // of arguments in a string, not yet read
  bool string_over_ = false;
};

/// Reads arguments alone, up to the end of their object. For families that name the tool outside of
/// the JSON.
class JsonInput {
 public:
  explicit JsonInput(LenientJson::Syntax syntax) : json_(std::move(syntax)) {}

  /// False while more text is needed. Behind the end of the input, the call has been ended too.
  bool read(std::string_view& text, bool at_end, Writer& writer);

 private:
  LenientJson json_;
};

} // namespace anyclaude::answer
