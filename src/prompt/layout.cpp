#include "prompt/layout.h"

#include "prompt/volatile_spans.h"
#include "text/paragraphs.h"

#include <algorithm>
#include <variant>
#include <vector>

namespace anyclaude::prompt {

namespace {

using anthropic::Message;
using anthropic::Request;
using anthropic::Role;

constexpr std::string_view kBillingLine = "x-anthropic-billing-header:";

void add_unless_blank(std::string& text, std::string_view more) {
  if (!text::is_blank(more))
    text::add_paragraph(text, more);
}

bool is_system_text(const Message& message) {
  return message.role == Role::system &&
         std::ranges::all_of(message.content, [](const anthropic::ContentBlock& block) {
           return std::holds_alternative<anthropic::TextBlock>(block);
         });
}

} // namespace

std::optional<Layout> parse_layout(std::string_view name) {
  if (name == "stable-first")
    return Layout::stable_first;
  if (name == "as-sent")
    return Layout::as_sent;
  return std::nullopt;
}

Opening lay_out_opening(const Request& request, Layout layout) {
  Opening opening;
  if (layout == Layout::as_sent) {
    for (const std::string& part : request.system)
      add_unless_blank(opening.system, part);
    return opening;
  }
  const auto& messages = request.messages;
  if (!messages.empty() && messages.front().role == Role::user)
    opening.inline_begin = 1;
  opening.inline_end = opening.inline_begin;
  while (opening.inline_end < messages.size() && is_system_text(messages[opening.inline_end]))
    ++opening.inline_end;
  if (opening.inline_end == messages.size() && opening.inline_begin == 0)
    opening.inline_end = 0; // nothing else would be left to answer

  std::vector<std::string_view> texts;
  for (const std::string& part : request.system)
    if (!part.starts_with(kBillingLine))
      texts.emplace_back(part);
  for (std::size_t i = opening.inline_begin; i < opening.inline_end; ++i)
    for (const auto& block : messages[i].content)
      texts.emplace_back(std::get<anthropic::TextBlock>(block).text);

  const SessionMarks marks(texts);
  for (const std::string_view text : texts) {
    const DividedText divided = marks.divide(text);
    add_unless_blank(opening.system, divided.stable);
    add_unless_blank(opening.session, divided.session);
  }
  return opening;
}

} // namespace anyclaude::prompt
