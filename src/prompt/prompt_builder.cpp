#include "prompt/prompt_builder.h"

#include "prompt/answer_format.h"
#include "prompt/canonical.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace anyclaude::prompt {

namespace {

/// Of the control texts between two messages the one that begins the second, or nothing. The first
/// control text ends the message before, if there are several: "<|im_end|>\n<|im_start|>user\n".
std::string_view turn_start(std::string_view between, const ControlText& control) {
  std::string_view start;
  for (int seen = 0; !between.empty() && seen < 2;) {
    const std::size_t length = control.match(between);
    if (length > 0) {
      start = between.substr(0, length);
      ++seen;
    }
    between.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return start;
}

/// The control texts that begin a message, found by rendering a conversation.
std::vector<std::string> find_turn_starts(const ChatTemplate& chat_template,
                                          const ControlText& control) {
  constexpr std::array<std::string_view, 3> kMessages{"the first question", "the first answer",
                                                      "the second question"};
  TemplateInput input;
  input.messages = Json::array();
  for (std::size_t i = 0; i < kMessages.size(); ++i)
    input.messages.push_back(
        {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(kMessages[i])}});
  const auto rendered = chat_template.render(input);
  if (!rendered)
    return {};
  std::vector<std::string> starts;
  for (std::size_t i = 0; i < kMessages.size(); ++i) {
    const std::size_t found = rendered->find(kMessages[i]);
    if (found == std::string::npos)
      continue;
    const std::size_t begin = found + kMessages[i].size();
    const std::size_t end =
        i + 1 < kMessages.size() ? rendered->find(kMessages[i + 1], begin) : std::string::npos;
    const auto between = std::string_view(*rendered).substr(begin);
    const auto start = turn_start(between.substr(0, end - begin), control);
    if (!start.empty() && !std::ranges::contains(starts, start))
      starts.emplace_back(start);
  }
  return starts;
}

} // namespace

PromptBuilder::PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer)
    : template_(std::move(chat_template)), control_(tokenizer.control_texts),
      turn_starts_(find_turn_starts(template_, control_)), tokenizer_(std::move(tokenizer)) {}

std::expected<Prompt, anthropic::Error>
PromptBuilder::build(const anthropic::Request& request) const {
  Canonical canonical = canonicalize(request, control_);
  canonical.input.reasoning_effort = reasoning_effort(request);
  const auto rendered = template_.render(canonical.input);
  if (!rendered)
    return std::unexpected(
        anthropic::Error{anthropic::ErrorKind::invalid_request, "messages: " + rendered.error()});

  Prompt prompt;
  auto turns = tokenizer_.tokenize(*rendered + canonical.answer_prefix, turn_starts_);
  prompt.tokens = std::move(turns.tokens);
  prompt.boundaries = std::move(turns.boundaries);

  std::string_view end = *rendered;
  end = end.substr(0, end.find_last_not_of(" \t\r\n") + 1);
  prompt.format = answer_format(request, template_.dialect());
  prompt.format.opens_thinking =
      canonical.answer_prefix.empty() && end.ends_with(prompt.format.dialect.think_open);
  prompt.warnings = std::move(canonical.warnings);
  return prompt;
}

} // namespace anyclaude::prompt
