#pragma once

#include "anthropic/messages.h"

#include <span>
#include <string>

namespace anyclaude::prompt {

/// One text for all forms in which a client sends an assistant's turn back unchanged. What Claude
/// Code 2.1.330 does to a turn on its way back, and no other difference, is taken out of it:
/// - a tool's input comes back with its keys in the schema's order, texts that are numbers or
///   truth values as such, Edit's with `replace_all: false` added and without blanks at the ends of
///   lines in `new_string`, Bash's without `cd DIRECTORY && ` in front;
/// - text without content is dropped, and text next to text is one text.
/// Two turns with one form were the same answer, if the ids of their tool calls are unguessable.
std::string turn_form(std::span<const anthropic::ContentBlock> blocks);

} // namespace anyclaude::prompt
