#pragma once

#include "answer/call_body.h"
#include "answer/tagged_arguments.h"

namespace anyclaude::answer {

/// <invoke name="…"><parameter name="…">: MiniMax, DeepSeek from V3.2 on. Behind the tag that
/// stands around the calls.
std::unique_ptr<CallBody> make_invoke_body(const Dialect& dialect);

TagSyntax invoke_syntax(const Dialect& dialect);

} // namespace anyclaude::answer
