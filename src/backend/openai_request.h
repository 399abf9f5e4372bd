#pragma once

#include "anthropic/json.h"
#include "anthropic/messages.h"
#include "backend/openai_dialect.h"
#include "prompt/canonical.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace anyclaude::backend {

/// A conversation as OpenAI's API has it: {role, content, tool_calls, …} and the tools. The one of
/// a conversation is the beginning of the one of its continuation, byte for byte, so that the
/// server's own prefix cache finds it.
struct ChatPrompt {
  Json messages;
  Json tools;                    // empty: none
  bool continues_answer = false; // the last message is the beginning of the answer
  std::vector<std::string> warnings;

  /// Bytes of text that the server's template gets: what its tokens are estimated from.
  std::size_t bytes() const;
};

ChatPrompt make_chat_prompt(const anthropic::Request& request, const OpenAiDialect& dialect,
                            const prompt::Arrangement& arrangement);

/// What a server has made clear by refusing the other way.
struct BodyForm {
  int max_tokens = 0;                 // that the answer may have
  bool max_completion_tokens = false; // what they are called: OpenAI's reasoning models
  /// The server has no parser for calls and refuses to be offered tools without one (vLLM): with
  /// tool_choice "none" it shows them to the model all the same, and calls come as text.
  bool calls_as_text = false;
};

/// The body of POST /v1/chat/completions, always streaming. Stop sequences are left out: which one
/// was met is not told by servers, so they are looked for here.
std::string chat_body(const ChatPrompt& prompt, const anthropic::Request& request,
                      const OpenAiDialect& dialect, const std::string& model, const BodyForm& form);

} // namespace anyclaude::backend
