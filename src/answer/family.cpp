#include "answer/format.h"
#include "text/letter_case.h"

#include <algorithm>

namespace anyclaude::answer {

namespace {

/// The wrapper's name in "<｜DSML｜function_calls>" or "<minimax:tool_call>".
std::string wrapper_name(std::string_view source, std::string_view prefix) {
  for (const char* name : {"function_calls", "tool_calls", "minimax:tool_call"})
    if (source.contains("<" + std::string(prefix) + name + ">"))
      return name;
  return "function_calls";
}

} // namespace

std::string_view to_string(Family family) {
  switch (family) {
  case Family::hermes:
    return "hermes";
  case Family::qwen_xml:
    return "qwen-xml";
  case Family::llama:
    return "llama";
  case Family::mistral:
    return "mistral";
  case Family::deepseek:
    return "deepseek";
  case Family::invoke:
    return "invoke";
  case Family::glm:
    return "glm";
  case Family::harmony:
    return "harmony";
  case Family::gemma:
    return "gemma";
  case Family::generic:
    break;
  }
  return "generic";
}

Dialect detect_dialect(std::string_view source) {
  Dialect dialect;
  const auto has = [source](std::string_view text) { return source.contains(text); };
  if (has("[THINK]")) { // Magistral
    dialect.think_open = "[THINK]";
    dialect.think_close = "[/THINK]";
  } else if (has("<seed:think>")) {
    dialect.think_open = "<seed:think>";
    dialect.think_close = "</seed:think>";
  }
  if (has("<|channel|>") && has("<|message|>")) {
    dialect.family = Family::harmony;
  } else if (has("<|tool_call>") || has("<start_function_call>")) {
    dialect.family = Family::gemma;
    dialect.older = !has("<|tool_call>");
    dialect.think_open = "<|channel>thought";
    dialect.think_close = "<channel|>";
  } else if (has("｜DSML｜") || has("<invoke name=")) {
    dialect.family = Family::invoke;
    dialect.tag_prefix = has("｜DSML｜") ? "｜DSML｜" : "";
    dialect.wrapper = wrapper_name(source, dialect.tag_prefix);
  } else if (has("<｜tool▁call▁begin｜>")) {
    dialect.family = Family::deepseek;
    dialect.older = has("```json");
  } else if (has("[TOOL_CALLS]")) {
    dialect.family = Family::mistral;
    dialect.older = !has("[ARGS]");
  } else if (has("<arg_key>")) {
    dialect.family = Family::glm;
  } else if (has("<function=") && has("<parameter=")) {
    dialect.family = Family::qwen_xml;
  } else if (has("<tool_call>")) {
    dialect.family = Family::hermes;
  } else if (has("<|python_tag|>") || (has("<|start_header_id|>") && has("\"parameters\""))) {
    dialect.family = Family::llama;
  }
  return dialect;
}

std::vector<std::string> answer_markers(const Dialect& dialect) {
  std::vector<std::string> markers{dialect.think_open,
                                   dialect.think_close,
                                   "<|channel>",
                                   "<tool_call>",
                                   "</tool_call>",
                                   "<arg_key>",
                                   "</arg_key>",
                                   "<arg_value>",
                                   "</arg_value>",
                                   "<|python_tag|>",
                                   "[TOOL_CALLS]",
                                   "[ARGS]",
                                   "[CALL_ID]",
                                   "<｜tool▁calls▁begin｜>",
                                   "<｜tool▁calls▁end｜>",
                                   "<｜tool▁call▁begin｜>",
                                   "<｜tool▁call▁end｜>",
                                   "<｜tool▁sep｜>",
                                   "｜DSML｜",
                                   "<minimax:tool_call>",
                                   "</minimax:tool_call>",
                                   "<|tool_call>",
                                   "<tool_call|>",
                                   "<|\"|>",
                                   "<start_function_call>",
                                   "<end_function_call>",
                                   "<escape>"};
  if (dialect.family == Family::harmony)
    for (const char* text : {"<|start|>", "<|end|>", "<|channel|>", "<|constrain|>", "<|message|>"})
      markers.emplace_back(text);
  return markers;
}

const ToolSpec* ToolSet::find(std::string_view name) const {
  if (const auto exact = std::ranges::find(tools_, name, &ToolSpec::name); exact != tools_.end())
    return &*exact;
  const ToolSpec* alike = nullptr;
  for (const ToolSpec& tool : tools_)
    if (text::equal_ignoring_case(tool.name, name)) {
      if (alike)
        return nullptr;
      alike = &tool;
    }
  return alike;
}

} // namespace anyclaude::answer
