// The only file that includes minja: its headers cost seconds of compile time.
#include "prompt/chat_template.h"

#include "prompt/template_guard.h"

#include <minja/chat-template.hpp>

#include <algorithm>
#include <exception>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {

namespace {

/// For models whose file brings no template; most of them were trained on this form.
constexpr const char* kChatMl = "{% for message in messages %}<|im_start|>{{ message.role }}\n"
                                "{{ message.content }}<|im_end|>\n{% endfor %}"
                                "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// What there is to render: values, and the bytes of their texts.
struct Extent {
  std::size_t values = 0;
  std::size_t bytes = 0;

  void add(const Json& json) {
    ++values;
    if (json.is_string())
      bytes += json.get_ref<const std::string&>().size();
    else if (json.is_structured())
      for (const Json& part : json)
        add(part);
  }
};

/// What a conversation may cost: more for a longer one. Some templates look through all later
/// messages at each.
TemplateLimits limits_for(const TemplateInput& input, TemplateLimits limits) {
  constexpr std::size_t kStepsPerValue = 1000;
  constexpr std::size_t kTimesRead = 256; // that a template may look at the whole conversation
  constexpr std::size_t kMostBytes = std::size_t{4} << 30;
  Extent extent;
  extent.add(input.messages);
  extent.add(input.tools);
  const std::size_t pairs = extent.values * input.messages.size();
  limits.steps += extent.values * kStepsPerValue + pairs * 20;
  limits.bytes = std::min(limits.bytes + extent.bytes * kTimesRead + pairs * 128, kMostBytes);
  return limits;
}

// What probes are made of; none of it stands in a template.
constexpr std::string_view kLead = "a sentence in front";
constexpr std::string_view kSystem = "the instructions proper";
constexpr std::string_view kQuestion = "the first question";
constexpr std::string_view kAnswer = "the first answer";
constexpr std::string_view kToolName = "probed_tool_name";

Json message(const char* role, std::string_view content) {
  return {{"role", role}, {"content", std::string(content)}};
}

TemplateInput probe_with_tool(std::vector<Json> messages) {
  TemplateInput input;
  input.messages = std::move(messages);
  input.tools = Json::array(
      {{{"type", "function"},
        {"function",
         {{"name", kToolName},
          {"description", "what it does"},
          {"parameters",
           {{"type", "object"},
            {"properties", {{"path", {{"type", "string"}, {"description", "of a file"}}}}}}}}}}});
  return input;
}

/// Whether each text stands in the prompt and begins behind the one before.
bool in_order(const ChatTemplate& chat_template, std::vector<Json> messages,
              std::initializer_list<std::string_view> texts) {
  const auto prompt = chat_template.render(probe_with_tool(std::move(messages)));
  if (!prompt)
    return false;
  std::size_t before = 0;
  for (const std::string_view text : texts) {
    const auto place = prompt->find(text);
    if (place == std::string::npos || place < before)
      return false;
    before = place;
  }
  return true;
}

/// Whether the tools stand behind the first answer once there is a second question.
bool moves_tools(const ChatTemplate& chat_template) {
  const Json question = message("user", kQuestion);
  return in_order(chat_template, {question}, {kToolName}) &&
         in_order(chat_template,
                  {question, message("assistant", kAnswer), message("user", "the second question")},
                  {kAnswer, kToolName});
}

SystemPlace find_system_place(const ChatTemplate& chat_template) {
  const Json lead = message("system", kLead);
  const Json question = message("user", kQuestion);
  const Json both = message("user", std::string(kSystem) + "\n\n" + std::string(kQuestion));
  if (in_order(chat_template, {message("system", kSystem), question},
               {kToolName, kSystem, kQuestion}))
    return SystemPlace::in_front;
  if (in_order(chat_template, {lead, message("system", kSystem), question},
               {kLead, kToolName, kSystem, kQuestion}))
    return SystemPlace::second_system;
  if (in_order(chat_template, {lead, both}, {kLead, kToolName, kSystem, kQuestion}))
    return SystemPlace::first_user_turn;
  return SystemPlace::in_front;
}

} // namespace

struct ChatTemplate::Compiled {
  Compiled(const std::string& source, const std::string& bos, const std::string& eos)
      : chat_template(source, bos, eos) {}

  minja::chat_template chat_template;
  std::mutex mutex; // minja does not say that rendering is thread-safe
};

ChatTemplate::ChatTemplate(std::unique_ptr<Compiled> compiled, const TemplateLimits& limits)
    : compiled_(std::move(compiled)), limits_(limits) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::expected<ChatTemplate, std::string> ChatTemplate::parse(const std::string& source,
                                                             const std::string& bos,
                                                             const std::string& eos,
                                                             const TemplateLimits& limits) {
  try {
    const guard::Budget budget(limits);
    ChatTemplate result(std::make_unique<Compiled>(source.empty() ? kChatMl : source, bos, eos),
                        limits);
    result.probe();
    if (budget.is_spent())
      return std::unexpected("the model's chat template cannot be used: it loops, grows or is "
                             "nested without end");
    result.dialect_ = answer::detect_dialect(source);
    return result;
  } catch (const std::exception& error) {
    return std::unexpected(std::string("the model's chat template cannot be used: ") +
                           error.what());
  }
}

void ChatTemplate::probe() {
  const auto caps = compiled_->chat_template.original_caps();
  abilities_.tools = caps.supports_tools;
  abilities_.tool_calls = caps.supports_tool_calls;
  abilities_.tool_responses = caps.supports_tool_responses;
  abilities_.parallel_tool_calls = caps.supports_parallel_tool_calls;
  abilities_.system_role = caps.supports_system_role;

  TemplateInput input;
  input.messages = Json::array({{{"role", "user"}, {"content", "hello"}}});
  input.tools = Json::array();
  const auto off = render(input);
  input.enable_thinking = true;
  abilities_.thinking = off && off != render(input);
  abilities_.tools_move = moves_tools(*this);
  abilities_.system_place = find_system_place(*this);
}

std::string ChatTemplate::apply(const TemplateInput& input) const {
  minja::chat_template_inputs inputs;
  inputs.messages = input.messages;
  if (!input.tools.empty())
    inputs.tools = input.tools;
  inputs.add_generation_prompt = input.add_generation_prompt;
  // Qwen, GLM and most others; DeepSeek's and IBM's name for the same; gpt-oss and Mistral.
  inputs.extra_context = {{"enable_thinking", input.enable_thinking},
                          {"thinking", input.enable_thinking}};
  if (!input.reasoning_effort.empty())
    inputs.extra_context["reasoning_effort"] = input.reasoning_effort;
  const std::scoped_lock lock(compiled_->mutex);
  const guard::Budget budget(limits_for(input, limits_));
  return compiled_->chat_template.apply(inputs);
}

/// What the template says of the tools beside the first question, put there into the prompt without
/// tools.
std::string ChatTemplate::with_tools_at_first_question(const TemplateInput& input) const {
  TemplateInput front = input;
  front.add_generation_prompt = false;
  const auto question = std::ranges::find_if(
      front.messages, [](const Json& message) { return message.at("role") == "user"; });
  if (question != front.messages.end())
    front.messages.erase(question + 1, front.messages.end());
  const std::string with_tools = apply(front);
  front.tools = Json::array();
  const std::string without = apply(front);

  const auto shared = std::ranges::mismatch(with_tools, without).in2 - without.begin();
  const auto added = static_cast<std::ptrdiff_t>(with_tools.size() - without.size());
  TemplateInput all = input;
  all.tools = Json::array();
  std::string prompt = apply(all);
  const auto place = static_cast<std::size_t>(shared);
  if (added <= 0 || prompt.compare(0, place, without, 0, place) != 0)
    return apply(input);
  return prompt.insert(place, with_tools, place, static_cast<std::size_t>(added));
}

std::expected<std::string, std::string> ChatTemplate::render(const TemplateInput& input) const {
  try {
    return abilities_.tools_move && !input.tools.empty() ? with_tools_at_first_question(input)
                                                         : apply(input);
  } catch (const std::exception& error) {
    return std::unexpected(std::string("the model's chat template refused the conversation: ") +
                           error.what());
  }
}

} // namespace anyclaude::prompt
