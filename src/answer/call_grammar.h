#pragma once

#include "answer/format.h"

#include <string>

namespace anyclaude::answer {

/// Grammar (GBNF) for calls in the way of a family.
class CallGrammar {
 public:
  explicit CallGrammar(Dialect dialect) : dialect_(std::move(dialect)) {}

  /// From where a call's input begins (Writer::input_begins) to the end of the call. `last`: no
  /// other call may follow, so what is around the calls ends too.
  std::string input(const ToolSpec& tool, bool last) const;

  /// From the beginning of an answer: a call of one of these tools; with `or_output`, JSON of that
  /// schema instead. `may_think`: thinking may stand in front.
  std::string answer(const std::vector<ToolSpec>& tools, bool last, const Json* or_output,
                     bool may_think) const;

 private:
  Dialect dialect_;
};

/// JSON of this schema and nothing else but, if wanted, thinking in front.
std::string output_grammar(const Json& schema, const Dialect& dialect, bool may_think);

} // namespace anyclaude::answer
