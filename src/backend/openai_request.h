#pragma once

#include "anthropic/json.h"
#include "anthropic/messages.h"
#include "backend/openai_dialect.h"
#include "prompt/canonical.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace anyclaude::backend {

/// What a server has made clear by refusing the other way.
struct BodyForm {
  int max_tokens = 0;                 // that the answer may have
  bool max_completion_tokens = false; // what they are called: OpenAI's reasoning models
  /// The server has no parser for calls and refuses to be offered tools without one (vLLM): with
  /// tool_choice "none" it shows them to the model all the same, and calls come as text.
  bool calls_as_text = false;
};

/// What is asked of POST /v1/chat/completions, always streaming. Stop sequences are left out: which
/// one was met is not told by servers, so they are looked for here.
class ChatRequest {
 public:
  /// `model`: as the server calls it.
  ChatRequest(const anthropic::Request& request, const OpenAiDialect& dialect,
              const std::string& model, const prompt::Arrangement& arrangement);

  std::string body(const BodyForm& form) const;

  /// Bytes of text that the server's template gets: what its tokens are estimated from.
  std::size_t prompt_bytes() const { return messages_.size() + tools_.size(); }
  const std::vector<std::string>& warnings() const { return warnings_; } // for the log

 private:
  void add_tools(Json tools, const anthropic::Request& request, const OpenAiDialect& dialect);
  void add_sampling(const anthropic::Request& request, const OpenAiDialect& dialect);
  void add_thinking(const anthropic::Request& request, const OpenAiDialect& dialect);

  // Text, since it is tens of kilobytes and needed once. The messages of a conversation are the
  // beginning of those of its continuation, byte for byte, so that the server's own prefix cache
  // finds them.
  std::string messages_;
  std::string tools_;             // empty: none
  bool continues_answer_ = false; // the last message is the beginning of the answer
  Json settings_;                 // all else but what depends on BodyForm
  std::vector<std::string> warnings_;
};

} // namespace anyclaude::backend
