#pragma once

#include "answer/answer_parser.h"
#include "answer/call_grammar.h"
#include "answer/format.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::answer {

/// What an answer has to be.
struct Demand {
  std::vector<ToolSpec> one_of; // it has to be a call of one of these; empty: it need not be
  Json output_schema;           // it has to be JSON of this schema; null: it need not be
  bool single_call = false;     // at most one call
};

/// Follows an answer as it is drawn and says which grammar holds from where: one for a call's input
/// from the moment when the parser has seen the call begin, or one for the whole answer where that
/// is demanded. The time of a step does not grow with the answer. Not thread-safe.
class AnswerRules {
 public:
  AnswerRules(const Format& format, Demand demand);

  struct Rule {
    std::string grammar; // GBNF
    std::string said;    // what has been said of it
    bool last;           // nothing but the turn's end may follow
  };
  /// The bytes of one token; none before the first. A rule that begins to hold behind them.
  std::optional<Rule> advance(std::string_view bytes);

 private:
  Rule whole_answer();

  Format format_;
  Demand demand_;
  CallGrammar grammar_;
  AnswerParser parser_;
  bool demanded_; // a rule for the whole answer is still to come
  bool covered_;  // that rule covers the first call too
};

} // namespace anyclaude::answer
