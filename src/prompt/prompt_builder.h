#pragma once

#include "anthropic/error.h"
#include "answer/format.h"
#include "anthropic/messages.h"
#include "prompt/chat_template.h"
#include "prompt/control_text.h"
#include "prompt/segment_tokenizer.h"

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace anyclaude::prompt {

struct Prompt {
  std::vector<std::int32_t> tokens;
  std::vector<int> boundaries;       // where messages end, in tokens from the start, ascending
  answer::Format format;             // how to read the answer
  std::vector<std::string> warnings; // for the log
};

/// Makes the prompt of a request for one model. Thread-safe.
class PromptBuilder {
 public:
  PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer);

  /// Errors are invalid_request: the template refuses the conversation.
  std::expected<Prompt, anthropic::Error> build(const anthropic::Request& request) const;

  const TemplateAbilities& abilities() const { return template_.abilities(); }
  const answer::Dialect& dialect() const { return template_.dialect(); }

 private:
  ChatTemplate template_;
  ControlText control_;
  std::vector<std::string> turn_starts_; // control texts that begin a message
  mutable SegmentTokenizer tokenizer_;   // remembers; thread-safe
};

} // namespace anyclaude::prompt
