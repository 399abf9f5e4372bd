#include "answer/answer_rules.h"

namespace anyclaude::answer {

AnswerRules::AnswerRules(const Format& format, Demand demand)
    : format_(format), demand_(std::move(demand)), grammar_(format.dialect), parser_(format),
      demanded_(!demand_.one_of.empty() || !demand_.output_schema.is_null()), covered_(demanded_) {}

AnswerRules::Rule AnswerRules::whole_answer() {
  demanded_ = false;
  const bool may_think = format_.show_thinking && !format_.opens_thinking;
  const bool json = !demand_.output_schema.is_null();
  const Json* output = json ? &demand_.output_schema : nullptr;
  std::vector<ToolSpec> tools = demand_.one_of;
  if (tools.empty() && format_.tools)
    tools = format_.tools->all();
  const bool last = demand_.single_call || json;
  return {tools.empty() ? output_grammar(demand_.output_schema, format_.dialect, may_think)
                        : grammar_.answer(tools, last, output, may_think),
          std::string(parser_.pending()), last};
}

std::optional<AnswerRules::Rule> AnswerRules::advance(std::string_view bytes) {
  parser_.push(bytes);
  parser_.take_inputs();
  auto opened = parser_.take_opened();
  if (demanded_)
    return parser_.thinks() ? std::nullopt : std::optional(whole_answer());
  if (!opened)
    return std::nullopt;
  if (std::exchange(covered_, false) || !opened->tool)
    return std::nullopt;
  return Rule{grammar_.input(*opened->tool, demand_.single_call), std::move(opened->input),
              demand_.single_call};
}

} // namespace anyclaude::answer
