#include "prompt/prompt_builder.h"

#include "prompt/canonical.h"

namespace anyclaude::prompt {

PromptBuilder::PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer)
    : template_(std::move(chat_template)), tokenizer_(std::move(tokenizer)),
      control_(tokenizer_.control_texts) {}

void PromptBuilder::append(std::vector<std::int32_t>& tokens, std::string_view rendered) const {
  for (const std::string_view part : ControlText::split(rendered)) {
    const auto more = tokenizer_.tokenize(part, true);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
}

std::expected<Prompt, anthropic::Error>
PromptBuilder::build(const anthropic::Request& request) const {
  Canonical canonical = canonicalize(request, control_);
  const auto rendered = template_.render(canonical.input);
  if (!rendered)
    return std::unexpected(
        anthropic::Error{anthropic::ErrorKind::invalid_request, "messages: " + rendered.error()});

  Prompt prompt;
  append(prompt.tokens, *rendered);
  if (!canonical.answer_prefix.empty())
    append(prompt.tokens, canonical.answer_prefix);
  if (tokenizer_.prompt_start >= 0 &&
      (prompt.tokens.empty() || prompt.tokens.front() != tokenizer_.prompt_start))
    prompt.tokens.insert(prompt.tokens.begin(), tokenizer_.prompt_start);

  std::string_view end = *rendered;
  end = end.substr(0, end.find_last_not_of(" \t\r\n") + 1);
  prompt.format.opens_thinking = canonical.answer_prefix.empty() && end.ends_with("<think>");
  prompt.format.tools = !canonical.input.tools.empty() &&
                        request.tool_choice.kind != anthropic::ToolChoice::Kind::none;
  prompt.warnings = std::move(canonical.warnings);
  return prompt;
}

} // namespace anyclaude::prompt
