#pragma once

#include "anthropic/error.h"
#include "anthropic/messages.h"
#include "prompt/answer_parser.h"
#include "prompt/chat_template.h"
#include "prompt/control_text.h"
#include "prompt/layout.h"
#include "prompt/segment_tokenizer.h"
#include "prompt/tool_order.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anyclaude::prompt {

struct Arrangement;

struct Prompt {
  std::vector<std::int32_t> tokens;
  std::vector<int> boundaries;       // where messages end, in tokens from the start, ascending
  AnswerFormat format;               // how to read the answer
  std::vector<std::string> warnings; // for the log
};

/// How requests become prompts.
struct PromptOptions {
  Layout layout = Layout::stable_first;
  std::filesystem::path tool_order_folder; // where the order of tools is kept; empty: nowhere
};

/// Makes the prompt of a request for one model. Thread-safe.
class PromptBuilder {
 public:
  PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer, PromptOptions options = {});

  /// Errors are invalid_request: the template refuses the conversation.
  std::expected<Prompt, anthropic::Error> build(const anthropic::Request& request,
                                                const std::string& tenant = {}) const;

  const TemplateAbilities& abilities() const { return template_.abilities(); }

 private:
  Arrangement arrange(const anthropic::Request& request, const std::string& tenant) const;

  ChatTemplate template_;
  Layout layout_;
  std::unique_ptr<ToolOrder> tool_order_; // learns; thread-safe
  ControlText control_;
  std::vector<std::string> turn_starts_; // control texts that begin a message
  mutable SegmentTokenizer tokenizer_;   // remembers; thread-safe
};

} // namespace anyclaude::prompt
