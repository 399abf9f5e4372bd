#include "answer/family_samples.h"

#include <gtest/gtest.h>

namespace anyclaude::answer {

namespace {

/// Python's way of printing JSON, which is that of chat templates: blanks behind colons and commas.
std::string spaced(const Json& value) {
  std::string out;
  if (value.is_object()) {
    for (const auto& [key, item] : value.items())
      out += (out.empty() ? "" : ", ") + Json(key).dump() + ": " + spaced(item);
    return "{" + out + "}";
  }
  if (value.is_array()) {
    for (const auto& item : value)
      out += (out.empty() ? "" : ", ") + spaced(item);
    return "[" + out + "]";
  }
  return value.dump();
}

std::string plain(const Json& value) {
  return value.is_string() ? value.get<std::string>() : spaced(value);
}

std::string gemma(const Json& value, const std::string& quote) {
  std::string out;
  if (value.is_object()) {
    for (const auto& [key, item] : value.items())
      out += (out.empty() ? "" : ",") + key + ":" + gemma(item, quote);
    return "{" + out + "}";
  }
  if (value.is_array()) {
    for (const auto& item : value)
      out += (out.empty() ? "" : ",") + gemma(item, quote);
    return "[" + out + "]";
  }
  return value.is_string() ? quote + value.get<std::string>() + quote : value.dump();
}

std::string tags(const SampleCall& call, const std::string& open, const std::string& middle,
                 const std::string& close) {
  std::string out;
  for (const auto& [key, value] : call.arguments.items())
    out += open + key + middle + plain(value) + close;
  return out;
}

std::string invoke(const Dialect& dialect, const std::vector<SampleCall>& calls) {
  const std::string& p = dialect.tag_prefix;
  std::string out = "<" + p + dialect.wrapper + ">\n";
  for (const auto& call : calls) {
    out += "<" + p + "invoke name=\"" + call.name + "\">\n";
    for (const auto& [key, value] : call.arguments.items()) {
      out += "<" + p + "parameter name=\"" + key + "\"";
      if (!p.empty())
        out += value.is_string() ? " string=\"true\"" : " string=\"false\"";
      out += ">" + plain(value) + "</" + p + "parameter>\n";
    }
    out += "</" + p + "invoke>\n";
  }
  return out + "</" + p + dialect.wrapper + ">";
}

std::string mistral(const Dialect& dialect, const std::vector<SampleCall>& calls) {
  std::string out;
  for (const auto& call : calls)
    if (dialect.older)
      out += (out.empty() ? "" : ", ") + std::string("{\"name\": \"") + call.name +
             "\", \"arguments\": " + spaced(call.arguments) + ", \"id\": \"a1b2c3d4e\"}";
    else
      out += "[TOOL_CALLS]" + call.name + "[ARGS]" + spaced(call.arguments);
  return dialect.older ? "[TOOL_CALLS][" + out + "]" : out;
}

std::string deepseek(const Dialect& dialect, const std::vector<SampleCall>& calls) {
  std::string out = "<｜tool▁calls▁begin｜>";
  for (const auto& call : calls)
    out += dialect.older ? "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + call.name +
                               "\n```json\n" + call.arguments.dump() + "\n```<｜tool▁call▁end｜>"
                         : "<｜tool▁call▁begin｜>" + call.name + "<｜tool▁sep｜>" +
                               call.arguments.dump() + "<｜tool▁call▁end｜>";
  return out + "<｜tool▁calls▁end｜>";
}

std::string harmony(const std::string& before, const std::vector<SampleCall>& calls) {
  std::string out;
  if (!before.empty())
    out = "<|channel|>" + std::string(calls.empty() ? "final" : "commentary") + "<|message|>" +
          before + (calls.empty() ? "" : "<|end|>");
  for (const auto& call : calls)
    out += (out.empty() ? "" : "<|start|>assistant") +
           std::string("<|channel|>commentary to=functions.") + call.name +
           " <|constrain|>json<|message|>" + call.arguments.dump() + "<|call|>";
  return out;
}

std::string one_call(const Form& form, const SampleCall& call) {
  switch (form.dialect.family) {
  case Family::hermes:
    return "<tool_call>\n{\"name\": \"" + call.name +
           "\", \"arguments\": " + spaced(call.arguments) + "}\n</tool_call>";
  case Family::qwen_xml:
    return "<tool_call>\n<function=" + call.name + ">\n" +
           tags(call, "<parameter=", ">\n", "\n</parameter>\n") + "</function>\n</tool_call>";
  case Family::glm:
    return "<tool_call>" + call.name + "\n" +
           tags(call, "<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n") + "</tool_call>";
  case Family::llama:
    return "{\"name\": \"" + call.name + "\", \"parameters\": " + spaced(call.arguments) + "}";
  default:
    break;
  }
  return form.dialect.older
             ? "<start_function_call>call:" + call.name + gemma(call.arguments, "<escape>") +
                   "<end_function_call>"
             : "<|tool_call>call:" + call.name + gemma(call.arguments, "<|\"|>") + "<tool_call|>";
}

std::string generic(const std::vector<SampleCall>& calls) {
  Json list = Json::array();
  for (const auto& call : calls)
    list.push_back({{"name", call.name}, {"arguments", call.arguments}, {"id", "call_1"}});
  return Json({{"tool_calls", list}}).dump(2);
}

} // namespace

std::vector<Form> all_forms() {
  std::vector<Form> forms;
  for (const auto& [name, piece] : std::initializer_list<std::pair<const char*, const char*>>{
           {"hermes", "<tool_call>{{ call.name }}</tool_call>"},
           {"qwen-xml", "<tool_call><function={{ f }}><parameter={{ k }}>"},
           {"llama", "<|start_header_id|>{\"name\": {{ n }}, \"parameters\": {{ p }}}"},
           {"mistral", "[TOOL_CALLS]{{ name }}[ARGS]{{ arguments }}"},
           {"mistral (list)", "[TOOL_CALLS][{{ calls }}]"},
           {"deepseek", "<｜tool▁call▁begin｜>{{ name }}<｜tool▁sep｜>"},
           {"deepseek (fence)", "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ n }}```json"},
           {"invoke (minimax)", "<minimax:tool_call><invoke name="},
           {"invoke (deepseek)", "<｜DSML｜function_calls><｜DSML｜invoke name="},
           {"glm", "<tool_call>{{ n }}<arg_key>{{ k }}</arg_key>"},
           {"harmony", "<|start|>assistant<|channel|>final<|message|>"},
           {"gemma", "<|tool_call>call:{{ n }}"},
           {"gemma (function)", "<start_function_call>call:{{ n }}"},
           {"generic", "<start_of_turn>model"}})
    forms.push_back({name, detect_dialect(piece)});
  return forms;
}

std::string render(const Form& form, const std::string& before,
                   const std::vector<SampleCall>& calls, const std::string& after) {
  if (form.dialect.family == Family::harmony)
    return harmony(before, calls);
  if (calls.empty())
    return before;
  std::string out = before.empty() ? "" : before + "\n\n";
  switch (form.dialect.family) {
  case Family::mistral:
    out += mistral(form.dialect, calls);
    break;
  case Family::deepseek:
    out += deepseek(form.dialect, calls);
    break;
  case Family::invoke:
    out += invoke(form.dialect, calls);
    break;
  case Family::generic:
    out += generic(calls);
    break;
  default:
    for (std::size_t i = 0; i < calls.size(); ++i)
      out += (i == 0                                 ? ""
              : form.dialect.family == Family::llama ? "; "
                                                     : "\n") +
             one_call(form, calls[i]);
  }
  return out + (after.empty() ? "" : "\n\n" + after);
}

bool can_have_text_behind(const Form& form) {
  return form.dialect.family != Family::harmony; // there, a call ends the turn
}

bool can_have_text_before(const Form& form) {
  return form.dialect.family != Family::llama && form.dialect.family != Family::generic;
}

std::string render_thinking(const Form& form, const std::string& thinking) {
  if (form.dialect.family == Family::harmony)
    return "<|channel|>analysis<|message|>" + thinking + "<|end|><|start|>assistant";
  return form.dialect.think_open + "\n" + thinking + "\n" + form.dialect.think_close + "\n\n";
}

TEST(FamilySamples, EachTemplateIsKnownForItsForm) {
  const std::vector<std::pair<std::string, Family>> expected{{"hermes", Family::hermes},
                                                             {"qwen-xml", Family::qwen_xml},
                                                             {"llama", Family::llama},
                                                             {"mistral", Family::mistral},
                                                             {"mistral (list)", Family::mistral},
                                                             {"deepseek", Family::deepseek},
                                                             {"deepseek (fence)", Family::deepseek},
                                                             {"invoke (minimax)", Family::invoke},
                                                             {"invoke (deepseek)", Family::invoke},
                                                             {"glm", Family::glm},
                                                             {"harmony", Family::harmony},
                                                             {"gemma", Family::gemma},
                                                             {"gemma (function)", Family::gemma},
                                                             {"generic", Family::generic}};
  const auto forms = all_forms();
  ASSERT_EQ(forms.size(), expected.size());
  for (std::size_t i = 0; i < forms.size(); ++i) {
    EXPECT_EQ(forms[i].name, expected[i].first);
    EXPECT_EQ(forms[i].dialect.family, expected[i].second) << forms[i].name;
    EXPECT_EQ(forms[i].dialect.older, forms[i].name.contains("(list)") ||
                                          forms[i].name.contains("(fence)") ||
                                          forms[i].name.contains("(function)"));
  }
}

} // namespace anyclaude::answer
