#include "prompt/prompt_builder.h"

#include "prompt/answer_format.h"
#include "prompt/canonical.h"
#include "prompt/replay_store.h"
#include "prompt/turn_form.h"

#include <spdlog/spdlog.h>

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

/// Of a control text between an answer and a question the first: it ends the answer.
std::string_view turn_end(std::string_view between, const ControlText& control) {
  while (!between.empty()) {
    if (const std::size_t length = control.match(between); length > 0)
      return between.substr(0, length);
    between.remove_prefix(1);
  }
  return {};
}

struct TurnTexts {
  std::vector<std::string> starts;
  std::vector<std::string> ends;
};

/// The control texts that begin a message and that end an answer, found by rendering a
/// conversation.
TurnTexts find_turns(const ChatTemplate& chat_template, const ControlText& control) {
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
  TurnTexts turns;
  for (std::size_t i = 0; i < kMessages.size(); ++i) {
    const std::size_t found = rendered->find(kMessages[i]);
    if (found == std::string::npos)
      continue;
    const std::size_t begin = found + kMessages[i].size();
    const std::size_t end =
        i + 1 < kMessages.size() ? rendered->find(kMessages[i + 1], begin) : std::string::npos;
    const auto between = std::string_view(*rendered).substr(begin);
    const auto start = turn_start(between.substr(0, end - begin), control);
    if (!start.empty() && !std::ranges::contains(turns.starts, start))
      turns.starts.emplace_back(start);
    const auto last = turn_end(between.substr(0, end - begin), control);
    if (i % 2 == 1 && !last.empty())
      turns.ends.emplace_back(last);
  }
  return turns;
}

/// Nothing where nothing is to be kept, or where it cannot be.
std::unique_ptr<ReplayStore> open_store(const PromptOptions& options) {
  if (options.replay_folder.empty())
    return nullptr;
  auto store = ReplayStore::open({.folder = options.replay_folder, .model = options.model});
  if (store)
    return std::move(*store);
  spdlog::warn("answers are not kept on the disk: {}", store.error());
  return nullptr;
}

} // namespace

PromptBuilder::PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer, PromptOptions options)
    : template_(std::move(chat_template)), layout_(options.layout),
      tool_order_(options.tool_order ? options.tool_order : std::make_shared<ToolOrder>()),
      control_(tokenizer.control_texts), turn_ends_(tokenizer.turn_ends),
      tokenizer_(std::move(tokenizer), SegmentTokenizer::kBytes, options.most_tokens),
      memory_(std::make_unique<ReplayMemory>(ReplayMemory::kBytes, open_store(options))) {
  TurnTexts turns = find_turns(template_, control_);
  turn_starts_ = std::move(turns.starts);
  turn_ends_.append_range(turns.ends);
  if (layout_ == Layout::stable_first)
    stable_front_ = StableFront(template_, control_, turn_starts_);
}

Arrangement PromptBuilder::arrange(const anthropic::Request& request,
                                   const std::string& tenant) const {
  Arrangement arrangement;
  arrangement.layout = layout_;
  arrangement.tool_messages = template_.abilities().tool_responses;
  if (layout_ == Layout::as_sent)
    return arrangement;
  arrangement.system_place = template_.abilities().system_place;
  arrangement.tool_ranks = rank_tools(*tool_order_, tenant, request);
  return arrangement;
}

std::expected<Prompt, anthropic::Error> PromptBuilder::build(const anthropic::Request& request,
                                                             const std::string& tenant,
                                                             const ImageReader& images) const {
  Arrangement arrangement = arrange(request, tenant);
  arrangement.image_reader = images;
  Canonical canonical = canonicalize(request, control_, arrangement);
  canonical.input.reasoning_effort = reasoning_effort(request);
  Prompt prompt;
  ConversationHash conversation;
  conversation.add(memory_->salt());
  conversation.add(tenant);
  conversation.add(canonical.input.tools.dump());
  conversation.add(canonical.input.reasoning_effort);
  ReplayTurn turn;
  std::string text; // that is to be tokenized
  if (auto known = replay(canonical, conversation)) {
    turn.parent = std::move(known->turn);
    turn.kept = turn.parent->kept;
    text = std::move(known->rest);
    prompt.tokens = turn.parent->all_tokens();
    prompt.boundaries = turn.parent->all_boundaries();
  } else {
    auto rendered = template_.render(canonical.input);
    if (!rendered)
      return std::unexpected(
          anthropic::Error{anthropic::ErrorKind::invalid_request, "messages: " + rendered.error()});
    text = std::move(*rendered);
  }
  text += canonical.answer_prefix;
  auto turns = turn.parent ? tokenizer_.tokenize_behind(turn.parent->end, text, turn_starts_,
                                                        canonical.images)
                           : tokenizer_.tokenize(text, turn_starts_, canonical.images);
  prompt.tokens.append_range(turns.tokens);
  prompt.boundaries.append_range(turns.boundaries);
  prompt.beyond = turns.beyond;
  prompt.stable_tokens = stable_front_.end(canonical.input, prompt.boundaries);
  if (canonical.answer_prefix.empty()) {
    turn.tokens = std::move(turns.tokens);
    turn.boundaries = std::move(turns.boundaries);
    turn.end = prompt.tokens.size();
    prompt.continuation.emplace(std::move(conversation), std::move(turn));
  }

  std::string_view end = text;
  end = end.substr(0, end.find_last_not_of(" \t\r\n") + 1);
  prompt.format = answer_format(request, template_.dialect());
  prompt.format.opens_thinking =
      canonical.answer_prefix.empty() && end.ends_with(prompt.format.dialect.think_open);
  prompt.warnings = std::move(canonical.warnings);
  return prompt;
}

/// The last answer that is remembered with all that stands in front of it. `conversation` goes on
/// to the last message.
std::optional<PromptBuilder::Known> PromptBuilder::replay(const Canonical& canonical,
                                                          ConversationHash& conversation) const {
  const Json& messages = canonical.input.messages;
  std::vector<ConversationKey> keys;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (keys.size() < canonical.answers.size() && canonical.answers[keys.size()].message == i) {
      conversation.add(canonical.answers[keys.size()].form);
      keys.push_back(conversation.key());
    } else {
      conversation.add(messages[i].dump());
    }
  }
  for (std::size_t i = keys.size(); i-- > 0;)
    if (auto turn = memory_->find(keys[i]))
      if (auto rest = text_behind(canonical.input, canonical.answers[i].message))
        return Known{std::move(turn), std::move(*rest)};
  return std::nullopt;
}

/// What the template renders behind an answer, from the control text on that ends it. Nothing where
/// that cannot be told.
std::optional<std::string> PromptBuilder::text_behind(const TemplateInput& input,
                                                      std::size_t answer) const {
  if (answer + 1 >= input.messages.size())
    return std::nullopt;
  TemplateInput marked = input;
  const auto mark = [](Json& text, std::string_view with) {
    if (text.is_string())
      text = std::string(with) + text.get<std::string>();
  };
  Json& turn = marked.messages[answer];
  mark(turn["content"], ControlText::kAnswerMark);
  if (turn.contains("tool_calls"))
    for (Json& call : turn["tool_calls"]) // some templates render the first one only
      mark(call["function"]["name"], ControlText::kAnswerMark);
  mark(marked.messages[answer + 1]["content"], ControlText::kPlaceMark);
  auto rendered = template_.render(marked);
  if (!rendered)
    return std::nullopt;
  const auto place = rendered->find(ControlText::kPlaceMark);
  const auto begun = rendered->rfind(ControlText::kAnswerMark);
  if (place == std::string::npos || begun == std::string::npos || begun > place ||
      rendered->find(ControlText::kPlaceMark, place + 1) != std::string::npos)
    return std::nullopt;
  std::size_t end = 0;
  for (const std::string& text : turn_ends_)
    if (const auto found = rendered->rfind(text, place); found != std::string::npos)
      end = std::max(end, found);
  if (end < begun)
    return std::nullopt;
  return rendered->substr(end, place - end) +
         rendered->substr(place + ControlText::kPlaceMark.size());
}

void PromptBuilder::remember(Continuation continuation,
                             std::span<const anthropic::ContentBlock> answer,
                             std::span<const std::int32_t> sampled) const {
  continuation.conversation.add(turn_form(answer));
  continuation.turn.tokens.append_range(sampled);
  continuation.turn.end += sampled.size();
  memory_->remember(continuation.conversation.key(), std::move(continuation.turn));
}

} // namespace anyclaude::prompt
