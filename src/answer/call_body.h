#pragma once

#include "answer/writer.h"

#include <memory>
#include <string_view>

namespace anyclaude::answer {

/// Reads what stands behind the opening of a call: one call or several in a row.
class CallBody {
 public:
  enum class Step {
    more,    // more text is needed
    done,    // what follows is no part of it
    no_call, // not a call; nothing was taken from the text
  };

  virtual ~CallBody() = default;

  /// Takes what is certain from the front of `text`; the rest has to be offered again with what
  /// follows it. With `at_end` nothing follows, and the step is not `more`. Must take nothing
  /// before it has begun a call.
  virtual Step read(std::string_view& text, bool at_end, Writer& writer) = 0;
};

/// Where in a text a call may begin.
struct CallOpening {
  std::size_t before = 0;         // bytes of the text that are certainly none of a call's
  std::size_t marker = 0;         // bytes of the opening behind them; 0: there is none
  std::unique_ptr<CallBody> body; // reads what is behind the marker; null: no opening
};

/// How the calls of one family are found in text.
class CallFinder {
 public:
  virtual ~CallFinder() = default;

  /// `at_start`: nothing but white space stands in front of the text in this part of the answer.
  virtual CallOpening find(std::string_view text, bool at_start, bool at_end) const = 0;
};

/// Null for Family::harmony, whose answers are read by HarmonyReader.
std::unique_ptr<CallFinder> make_call_finder(const Format& format);

} // namespace anyclaude::answer
