#pragma once

#include "anthropic/shared_json.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::answer {

/// How models of one kind write tool calls and thinking. docs/tools.md shows each by an example.
enum class Family {
  hermes,   // {"name": …, "arguments": {…}} between <tool_call> tags: Hermes, Qwen2.5, Qwen3
  qwen_xml, // <function=…><parameter=…> between <tool_call> tags: Qwen3-Coder and later Qwens
  llama,    // the whole answer is {"name": …, "parameters": {…}}: Llama 3.1 and later
  mistral,  // [TOOL_CALLS]name[ARGS]{…}, before: [TOOL_CALLS][{"name": …, "arguments": {…}}]
  deepseek, // <｜tool▁call▁begin｜>name<｜tool▁sep｜>{…}: V3.1; V3 and R1 with a code fence
  invoke,   // <invoke name="…"><parameter name="…">: MiniMax, and DeepSeek from V3.2 on
  glm,      // name, then <arg_key> and <arg_value>, between <tool_call> tags: GLM 4.5 and later
  harmony,  // channels, calls are messages to functions.name: gpt-oss
  gemma,    // <|tool_call>call:name{key:<|"|>text<|"|>}: Gemma 4; FunctionGemma alike
  generic,  // {"tool_calls": [{"name": …, "arguments": {…}}]}: what models without tools are told
};

inline constexpr Family kFamilies[] = {
    Family::hermes, Family::qwen_xml, Family::llama,   Family::mistral, Family::deepseek,
    Family::invoke, Family::glm,      Family::harmony, Family::gemma,   Family::generic};

std::string_view to_string(Family family);

/// What a chat template says about the answers that its model gives.
struct Dialect {
  Family family = Family::generic;
  std::string think_open = "<think>";
  std::string think_close = "</think>";
  /// Of families that have changed: the older way. Mistral's array, DeepSeek's code fence.
  bool older = false;
  /// Of Family::invoke: what stands in front of its tags' names, "｜DSML｜" for DeepSeek, and the
  /// name of the tag around the calls. Of Family::gemma: whether it is FunctionGemma (older).
  std::string tag_prefix;
  std::string wrapper;
};

/// Finds it by the markers in the template's source.
Dialect detect_dialect(std::string_view template_source);

/// Texts of control tokens that are part of answers: a model's other ones are never shown.
std::vector<std::string> answer_markers(const Dialect& dialect);

struct ToolSpec {
  std::string name;
  anthropic::SharedJson schema; // of its input; anything that is not an object stands for no schema
};

/// The tools that a request offers.
class ToolSet {
 public:
  ToolSet() = default;
  explicit ToolSet(std::vector<ToolSpec> tools) : tools_(std::move(tools)) {}

  /// The tool of this name, else the only one whose name differs in letters' case alone, else null.
  const ToolSpec* find(std::string_view name) const;
  const std::vector<ToolSpec>& all() const { return tools_; }
  bool empty() const { return tools_.empty(); }

 private:
  std::vector<ToolSpec> tools_;
};

class ThinkingSeal;

/// How one answer is to be read.
struct Format {
  Dialect dialect;
  std::shared_ptr<const ToolSet> tools;     // null: none are offered, and calls are not looked for
  bool opens_thinking = false;              // the prompt ended with an opened think block
  bool show_thinking = true;                // otherwise thinking is read and left out
  std::shared_ptr<const ThinkingSeal> seal; // signs thinking; null: signatures are empty
};

} // namespace anyclaude::answer
