// The only file that includes minja: its headers cost seconds of compile time.
#include "prompt/chat_template.h"

#include <minja/chat-template.hpp>

#include <exception>
#include <mutex>
#include <regex>
#include <string>

namespace anyclaude::prompt {

namespace {

/// For models whose file brings no template; most of them were trained on this form.
constexpr const char* kChatMl = "{% for message in messages %}<|im_start|>{{ message.role }}\n"
                                "{{ message.content }}<|im_end|>\n{% endfor %}"
                                "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// A macro of minja's holds the context that holds the macro (MacroNode::do_render), so that every
/// prompt rendered with one would stay in memory. Unset behind the last line, they let go.
std::string without_cycles(std::string source) {
  static const std::regex kMacro(R"(\{%[-+]?\s*macro\s+([A-Za-z_]\w*))");
  std::string unset;
  for (std::sregex_iterator macro(source.begin(), source.end(), kMacro), end; macro != end; ++macro)
    unset += "{% set " + macro->str(1) + " = none %}";
  if (!unset.empty() && source.ends_with('\n'))
    source.pop_back(); // minja drops a template's last newline, which is the last no more
  return source + unset;
}

} // namespace

struct ChatTemplate::Compiled {
  Compiled(const std::string& source, const std::string& bos, const std::string& eos)
      : chat_template(without_cycles(source), bos, eos) {}

  minja::chat_template chat_template;
  std::mutex mutex; // minja does not say that rendering is thread-safe
};

ChatTemplate::ChatTemplate(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::expected<ChatTemplate, std::string>
ChatTemplate::parse(const std::string& source, const std::string& bos, const std::string& eos) {
  try {
    ChatTemplate result(std::make_unique<Compiled>(source.empty() ? kChatMl : source, bos, eos));
    result.probe();
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
}

std::expected<std::string, std::string> ChatTemplate::render(const TemplateInput& input) const {
  try {
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
    return compiled_->chat_template.apply(inputs);
  } catch (const std::exception& error) {
    return std::unexpected(std::string("the model's chat template refused the conversation: ") +
                           error.what());
  }
}

} // namespace anyclaude::prompt
