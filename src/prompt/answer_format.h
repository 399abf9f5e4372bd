#pragma once

#include "answer/answer_rules.h"
#include "answer/format.h"
#include "anthropic/messages.h"

#include <string>

namespace anyclaude::prompt {

/// How the answer to a request is to be read; whether the prompt opens thinking is not known yet.
/// Thinking that was not asked for is left out, as Anthropic's API does.
answer::Format answer_format(const anthropic::Request& request, const answer::Dialect& dialect);

/// What the answer has to be: tool_choice, disable_parallel_tool_use, output_config.format.
answer::Demand answer_demand(const anthropic::Request& request, const answer::Format& format);

/// The level for templates that have levels of reasoning: what output_config.effort says, else what
/// a thinking budget stands for (up to 4,096 tokens low, up to 16,384 medium), "low" where thinking
/// is disabled. Empty: the template's own.
std::string reasoning_effort(const anthropic::Request& request);

} // namespace anyclaude::prompt
