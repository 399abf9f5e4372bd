#include "answer/call_grammar.h"

#include "answer/invoke_calls.h"
#include "answer/schema_grammar.h"
#include "answer/tag_calls.h"

#include <set>

namespace anyclaude::answer {

namespace {

/// What stands around a call's input; `behind` and `end` are GBNF.
struct Shape {
  std::string before_name;
  std::string behind_name;
  std::string behind; // the input
  std::string end;    // of all calls
};

Shape shape_of(const Dialect& dialect) {
  const std::string& prefix = dialect.tag_prefix;
  switch (dialect.family) {
  case Family::hermes:
    return {"<tool_call>\n{\"name\": \"", "\", \"arguments\": ", R"("}" "\n"? "</tool_call>")", ""};
  case Family::qwen_xml:
    return {"<tool_call>\n<function=", ">", R"("\n"? "</tool_call>")", ""};
  case Family::glm:
    return {"<tool_call>", "", "\"\"", ""};
  case Family::llama:
    return {"{\"name\": \"", "\", \"parameters\": ", R"("}")", ""};
  case Family::mistral:
    if (!dialect.older)
      return {"[TOOL_CALLS]", "[ARGS]", "\"\"", ""};
    return {"[TOOL_CALLS][{\"name\": \"",
            "\", \"arguments\": ", R"((", \"id\": \"" [a-zA-Z0-9]{9} "\"")? "}")", R"("]")"};
  case Family::deepseek:
    return {"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>" +
                std::string(dialect.older ? "function<｜tool▁sep｜>" : ""),
            dialect.older ? "\n```json\n" : "<｜tool▁sep｜>",
            dialect.older ? R"("\n```<｜tool▁call▁end｜>")" : R"("<｜tool▁call▁end｜>")",
            R"("<｜tool▁calls▁end｜>")"};
  case Family::invoke:
    return {"<" + prefix + dialect.wrapper + ">\n<" + prefix + "invoke name=\"", "\">", "\"\"",
            "\"\\n\"? " + gbnf_literal("</" + prefix + dialect.wrapper + ">")};
  case Family::harmony:
    return {"<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "\"\"", ""};
  case Family::gemma:
    if (!dialect.older)
      return {"<|tool_call>call:", "", R"("<tool_call|>")", ""};
    return {"<start_function_call>call:", "", R"("<end_function_call>")", ""};
  case Family::generic:
    break;
  }
  return {"{\"tool_calls\": [{\"name\": \"",
          "\", \"arguments\": ", R"((", \"id\": \"" [a-zA-Z0-9_]{1,40} "\"")? "}")", R"("]" "}")"};
}

/// How a value of this schema stands between tags: strings as plain text, the rest as JSON.
std::string tagged_value(SchemaGrammar& grammar, const TagSyntax& syntax, const Json& schema,
                         const Json& root) {
  if (!schema.is_object() || !allows_string(schema))
    return grammar.value(schema, root);
  const auto text = [&schema](const char* key) {
    return schema.contains(key) && schema[key].is_number_unsigned() ? schema[key].get<int>() : -1;
  };
  if (schema.contains("enum") && schema["enum"].is_array()) {
    std::string choices;
    for (const Json& choice : schema["enum"])
      choices += (choices.empty() ? "" : " | ") +
                 gbnf_literal(choice.is_string() ? choice.get<std::string>() : choice.dump());
    return grammar.add("choice", choices);
  }
  if (schema.contains("const") && schema["const"].is_string())
    return gbnf_literal(schema["const"].get<std::string>());
  constexpr int kLongest = 256; // characters; longer bounds are not written out
  const int least = text("minLength");
  const int most = text("maxLength");
  if (most >= 0 && most <= kLongest && least <= most)
    return "[^<]{" + std::to_string(std::max(least, 0)) + "," + std::to_string(most) + "}";
  return grammar.text_without({syntax.value_close, syntax.key_open, syntax.end});
}

/// The input between tags: the members in the schema's order, each at most once.
std::string tagged_input(SchemaGrammar& grammar, const TagSyntax& syntax, const Json& schema,
                         const Dialect& dialect) {
  std::set<std::string> required;
  if (schema.contains("required") && schema["required"].is_array())
    for (const Json& name : schema["required"])
      if (name.is_string())
        required.insert(name.get<std::string>());
  std::string out = "\"\\n\"?";
  const Json none = Json::object();
  const bool has_members = schema.contains("properties") && schema["properties"].is_object();
  for (const auto& [name, of] : (has_members ? schema["properties"] : none).items()) {
    std::string open = gbnf_literal(syntax.key_open + name + syntax.key_close);
    if (dialect.family == Family::glm)
      open += " \"\\n\"? " + gbnf_literal(syntax.value_open);
    else if (dialect.family == Family::invoke)
      open += dialect.tag_prefix.empty()            ? " \">\""
              : of.is_object() && allows_string(of) ? gbnf_literal(" string=\"true\">")
                                                    : gbnf_literal(" string=\"false\">");
    const std::string line = syntax.value_on_lines ? "\"\\n\" " : "";
    const auto member =
        grammar.add("member", open + " " + line + tagged_value(grammar, syntax, of, schema) + " " +
                                  line + gbnf_literal(syntax.value_close) + " \"\\n\"?");
    out += " " + member + (required.contains(name) ? "" : "?");
  }
  return out + " " + gbnf_literal(syntax.end);
}

/// What may stand in front of an answer.
std::string thinking(SchemaGrammar& grammar, const Dialect& dialect, bool may_think) {
  const std::string lines = "\"\\n\"? \"\\n\"? ";
  if (dialect.family == Family::harmony) // cannot be told not to think
    return "(\"<|channel|>analysis<|message|>\" " + grammar.text_without({"<|"}) +
           " \"<|end|><|start|>assistant\")? ";
  if (!may_think)
    return lines;
  return "(" + gbnf_literal(dialect.think_open) + " " +
         grammar.text_without({dialect.think_close}) + " " + gbnf_literal(dialect.think_close) +
         ")? " + lines;
}

std::string final_channel(const Dialect& dialect) {
  return dialect.family == Family::harmony ? "\"<|channel|>final<|message|>\" " : "";
}

const Json& schema_of(const ToolSpec& tool) {
  static const Json kObject = {{"type", "object"}};
  return tool.schema->is_object() && !tool.schema->empty() ? *tool.schema : kObject;
}

SchemaGrammar grammar_for(const Dialect& dialect) {
  if (dialect.family == Family::gemma)
    return SchemaGrammar(SchemaGrammar::Style::gemma, dialect.older ? "<escape>" : "<|\"|>");
  return SchemaGrammar();
}

/// A rule for one tool's input, and what stands behind it.
std::string input_rule(SchemaGrammar& grammar, const Dialect& dialect, const ToolSpec& tool) {
  switch (dialect.family) {
  case Family::qwen_xml:
    return tagged_input(grammar, qwen_xml_syntax(), schema_of(tool), dialect);
  case Family::glm:
    return tagged_input(grammar, glm_syntax(), schema_of(tool), dialect);
  case Family::invoke:
    return tagged_input(grammar, invoke_syntax(dialect), schema_of(tool), dialect);
  default:
    break;
  }
  // Whatever a schema says, the input of a call is an object.
  Json schema = schema_of(tool);
  if (!schema.contains("type") && !schema.contains("$ref") && !schema.contains("anyOf") &&
      !schema.contains("oneOf") && !schema.contains("allOf"))
    schema["type"] = "object";
  return grammar.value(schema, schema_of(tool));
}

} // namespace

std::string CallGrammar::input(const ToolSpec& tool, bool last) const {
  SchemaGrammar grammar = grammar_for(dialect_);
  const Shape shape = shape_of(dialect_);
  const auto rule = input_rule(grammar, dialect_, tool);
  return grammar.text(rule + " " + shape.behind + (last ? " " + shape.end : ""));
}

std::string CallGrammar::answer(const std::vector<ToolSpec>& tools, bool last,
                                const Json* or_output, bool may_think) const {
  SchemaGrammar grammar = grammar_for(dialect_);
  const Shape shape = shape_of(dialect_);
  std::string calls;
  for (const ToolSpec& tool : tools)
    calls += (calls.empty() ? "" : " | ") +
             grammar.add("call", gbnf_literal(tool.name + shape.behind_name) + " " +
                                     input_rule(grammar, dialect_, tool));
  std::string root = gbnf_literal(shape.before_name) + " " + grammar.add("calls", calls) + " " +
                     shape.behind + (last ? " " + shape.end : "");
  if (or_output)
    root = grammar.add("call", root) + " | " +
           (final_channel(dialect_) + grammar.json_value(*or_output));
  return grammar.text(thinking(grammar, dialect_, may_think) + grammar.add("answer", root));
}

std::string output_grammar(const Json& schema, const Dialect& dialect, bool may_think) {
  SchemaGrammar grammar;
  const auto rule = grammar.value(schema, schema);
  return grammar.text(thinking(grammar, dialect, may_think) + final_channel(dialect) + rule);
}

} // namespace anyclaude::answer
