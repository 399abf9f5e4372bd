#pragma once

#include "answer/call_body.h"

/// How the calls of each family are found; see each family's file for its form.
namespace anyclaude::answer {

/// <tool_call> with what any of the three families writes behind it. `bare_functions`: a
/// "<function=" of a known tool opens a call too.
std::unique_ptr<CallFinder> make_tag_finder(bool bare_functions);
std::unique_ptr<CallFinder> make_mistral_finder();
std::unique_ptr<CallFinder> make_deepseek_finder();
std::unique_ptr<CallFinder> make_invoke_finder(const Dialect& dialect);
std::unique_ptr<CallFinder> make_gemma_finder();
std::unique_ptr<CallFinder> make_llama_finder();
std::unique_ptr<CallFinder> make_generic_finder();

} // namespace anyclaude::answer
