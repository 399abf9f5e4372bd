#pragma once

#include "demo/script.h"

#include <cstddef>
#include <string>

namespace anyclaude::demo {

/// The chat template (Jinja) of the demo models, ChatML with Hermes-style tools as Qwen3 uses them:
/// system text and `<tools>` in the system turn, calls as `<tool_call>`, results as
/// `<tool_response>` in one user turn, thinking as `<think>`. `enable_thinking` false puts an empty
/// think block in front of the answer. Unlike Qwen3's it keeps the thinking of every turn, so a
/// rendered conversation is always the beginning of the same conversation with more messages.
///
/// With scripts, each assistant turn starts with the control token of the script that applies to
/// the conversation up to there, in the history just as in the generation prompt. A user message
/// directly behind tool results is taken for a remark on them, unless it contains a marker: it
/// neither resets the count of results nor replaces the words that markers are looked for in.
/// Consecutive user messages count as one.
std::string chat_template(const ScriptFile* scripts);

/// The control token that starts script `index`; `answer_only` leaves its thinking out.
std::string script_token(std::size_t index, bool answer_only);

} // namespace anyclaude::demo
