#pragma once

#include "answer/format.h"
#include "anthropic/json.h"
#include "prompt/template_limits.h"

#include <nlohmann/json.hpp>

#include <expected>
#include <memory>
#include <string>

namespace anyclaude::prompt {

/// What a template renders, in the shape that chat templates expect (OpenAI's messages).
struct TemplateInput {
  Json messages; // array of {role, content, …}
  Json tools;    // array of {type: "function", function: {…}}; empty: none
  bool add_generation_prompt = true;
  bool enable_thinking = false;
  std::string reasoning_effort{}; // "low", "medium" or "high"; empty: the template's own
};

/// Where the system text has to stand so that a template renders the tools in front of it.
enum class SystemPlace {
  in_front,       // tools come first anyway, or cannot
  second_system,  // in a system message of its own behind a short first one
  first_user_turn // at the beginning of the first user message, behind a short system message
};

/// What a template can do, found by rendering probes through it.
struct TemplateAbilities {
  bool tools = false; // otherwise tools are described in the system text
  bool tool_calls = false;
  bool tool_responses = false;
  bool parallel_tool_calls = false;
  bool system_role = false; // otherwise the system text goes into the first user turn
  bool thinking = false;    // obeys enable_thinking
  SystemPlace system_place = SystemPlace::in_front;
  /// The template describes the tools beside the last question and so moves them with every turn.
  /// render() keeps them beside the first one.
  bool tools_move = false;
};

/// A model's own Jinja chat template, compiled once. Thread-safe.
class ChatTemplate {
 public:
  /// `bos` and `eos` are the texts of those tokens, empty for none. An empty source stands for
  /// ChatML. The error says where the template is wrong, or that it goes beyond its limits.
  static std::expected<ChatTemplate, std::string> parse(const std::string& source,
                                                        const std::string& bos,
                                                        const std::string& eos,
                                                        const TemplateLimits& limits = {});
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// The prompt's text. What the template cannot do is made up for in plain text. The error is the
  /// template's own, such as a role that it refuses, or that it goes beyond its limits.
  std::expected<std::string, std::string> render(const TemplateInput& input) const;

  const TemplateAbilities& abilities() const { return abilities_; }
  /// How the model's answers are to be read.
  const answer::Dialect& dialect() const { return dialect_; }

 private:
  struct Compiled;
  ChatTemplate(std::unique_ptr<Compiled> compiled, const TemplateLimits& limits);
  void probe();
  std::string apply(const TemplateInput& input) const; // throws what the template says
  std::string with_tools_at_first_question(const TemplateInput& input) const;

  std::unique_ptr<Compiled> compiled_;
  TemplateLimits limits_;
  TemplateAbilities abilities_;
  answer::Dialect dialect_;
};

} // namespace anyclaude::prompt
