#pragma once

#include "anthropic/error.h"
#include "anthropic/messages.h"
#include "prompt/answer_parser.h"
#include "prompt/chat_template.h"
#include "prompt/control_text.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {

/// What the prompt needs of a model's tokenizer.
struct Tokenizer {
  /// Tokens of a text; with `parse_special` the texts of control tokens become those tokens.
  /// Must be thread-safe.
  std::function<std::vector<std::int32_t>(std::string_view text, bool parse_special)> tokenize;
  std::int32_t prompt_start = -1; // begins every prompt; -1: none
  std::vector<std::string> control_texts;
};

struct Prompt {
  std::vector<std::int32_t> tokens;
  AnswerFormat format;               // how to read the answer
  std::vector<std::string> warnings; // for the log
};

/// Makes the prompt of a request for one model. Thread-safe.
class PromptBuilder {
 public:
  PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer);

  /// Errors are invalid_request: the template refuses the conversation.
  std::expected<Prompt, anthropic::Error> build(const anthropic::Request& request) const;

  const TemplateAbilities& abilities() const { return template_.abilities(); }

 private:
  void append(std::vector<std::int32_t>& tokens, std::string_view rendered) const;

  ChatTemplate template_;
  Tokenizer tokenizer_;
  ControlText control_;
};

} // namespace anyclaude::prompt
