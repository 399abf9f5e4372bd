#pragma once

#include "answer/call_body.h"
#include "answer/tagged_arguments.h"

/// What stands behind <tool_call>, by family. The three families share the tag, and models of one
/// have been seen to write another's form, so the first characters decide.
namespace anyclaude::answer {

/// {"name": …, "arguments": {…}}: Hermes, Qwen2.5, Qwen3.
std::unique_ptr<CallBody> make_hermes_body();
/// <function=name><parameter=key>…: Qwen3-Coder. `bare`: behind "<function=" without the outer tag.
std::unique_ptr<CallBody> make_qwen_xml_body(bool bare);
/// name, <arg_key>…: GLM.
std::unique_ptr<CallBody> make_glm_body();

const TagSyntax& qwen_xml_syntax();
const TagSyntax& glm_syntax();

} // namespace anyclaude::answer
