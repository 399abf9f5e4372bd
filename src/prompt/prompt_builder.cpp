#include "prompt/prompt_builder.h"

#include "prompt/canonical.h"

namespace anyclaude::prompt {

PromptBuilder::PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer)
    : template_(std::move(chat_template)), control_(tokenizer.control_texts),
      tokenizer_(std::move(tokenizer)) {}

std::expected<Prompt, anthropic::Error>
PromptBuilder::build(const anthropic::Request& request) const {
  Canonical canonical = canonicalize(request, control_);
  const auto rendered = template_.render(canonical.input);
  if (!rendered)
    return std::unexpected(
        anthropic::Error{anthropic::ErrorKind::invalid_request, "messages: " + rendered.error()});

  Prompt prompt;
  prompt.tokens = tokenizer_.tokenize(*rendered + canonical.answer_prefix);

  std::string_view end = *rendered;
  end = end.substr(0, end.find_last_not_of(" \t\r\n") + 1);
  prompt.format.opens_thinking = canonical.answer_prefix.empty() && end.ends_with("<think>");
  prompt.format.tools = !canonical.input.tools.empty() &&
                        request.tool_choice.kind != anthropic::ToolChoice::Kind::none;
  prompt.warnings = std::move(canonical.warnings);
  return prompt;
}

} // namespace anyclaude::prompt
