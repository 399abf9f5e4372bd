#include "demo/chat_template.h"

#include <format>
#include <string_view>

namespace anyclaude::demo {

namespace {

// The template is put together from these parts; SCRIPT_STATE and SCRIPT_TOKEN parts are left out
// of models without scripts.

constexpr std::string_view kContentMacro = R"jinja(
{%- macro text_of(content) -%}
  {%- if content is string -%}
    {{- content -}}
  {%- elif content -%}
    {%- for part in content -%}
      {%- if part.type == 'text' -%}{{- part.text -}}{%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{%- set no_thinking = enable_thinking is defined and not enable_thinking -%}
)jinja";

constexpr std::string_view kSystemTurn = R"jinja(
{%- set has_system = messages and messages[0].role == 'system' -%}
{%- if tools or has_system -%}
  {{- '<|im_start|>system\n' -}}
  {%- if has_system -%}{{- text_of(messages[0].content) -}}{%- endif -%}
  {%- if tools -%}
    {%- if has_system -%}{{- '\n\n' -}}{%- endif -%}
    {{- '# Functions\n\nThese functions are at your service, one JSON description per line:\n<tools>' -}}
    {%- for tool in tools -%}{{- '\n' -}}{{- tool | tojson -}}{%- endfor -%}
    {{- '\n</tools>\n\nA call is a JSON object with a name and arguments inside of tags; several calls are written one below the other:\n<tool_call>\n{"name": "a_function", "arguments": {"key": "value"}}\n</tool_call>' -}}
  {%- endif -%}
  {{- '<|im_end|>\n' -}}
{%- endif -%}
)jinja";

constexpr std::string_view kScriptState = R"jinja(
{%- set script = namespace(results=0, words='', after='', offered='|') -%}
{%- if tools -%}
  {%- for tool in tools -%}
    {%- set script.offered = script.offered + (tool.function.name if tool.function else tool.name) + '|' -%}
  {%- endfor -%}
{%- endif -%}
)jinja";

constexpr std::string_view kMessagesBegin = R"jinja(
{%- for message in messages -%}
  {%- if message.role == 'system' and loop.first -%}
  {%- elif message.role == 'assistant' -%}
    {{- '<|im_start|>assistant\n' -}}
    {%- if no_thinking and not message.reasoning_content -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}
)jinja";

constexpr std::string_view kScriptInHistory = R"jinja(
    {%- if no_thinking and not message.reasoning_content -%}
      {{- script_token(script.results, script.words, script.offered, false) -}}
    {%- else -%}
      {{- script_token(script.results, script.words, script.offered, true) -}}
    {%- endif -%}
    {%- set script.after = 'assistant' -%}
)jinja";

constexpr std::string_view kAssistantAndTool = R"jinja(
    {%- if message.reasoning_content -%}{{- '<think>\n' -}}{{- message.reasoning_content.strip('\n') -}}{{- '\n</think>\n\n' -}}{%- endif -%}
    {%- set content = text_of(message.content) -%}
    {%- if message.tool_calls -%}{%- set content = content.rstrip('\n') -%}{%- endif -%}
    {{- content -}}
    {%- if message.tool_calls -%}
      {%- for call in message.tool_calls -%}
        {%- set function = call.function if call.function else call -%}
        {%- if content or not loop.first -%}{{- '\n' -}}{%- endif -%}
        {{- '<tool_call>\n{"name": ' -}}{{- function.name | tojson -}}{{- ', "arguments": ' -}}{{- function.arguments | tojson -}}{{- '}\n</tool_call>' -}}
      {%- endfor -%}
    {%- endif -%}
    {{- '<|im_end|>\n' -}}
  {%- elif message.role == 'tool' -%}
    {%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}{{- '<|im_start|>user' -}}{%- endif -%}
    {{- '\n<tool_response>\n' -}}{{- text_of(message.content) -}}{{- '\n</tool_response>' -}}
    {%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}{{- '<|im_end|>\n' -}}{%- endif -%}
)jinja";

constexpr std::string_view kScriptAfterTool = R"jinja(
    {%- set script.results = script.results + 1 -%}
    {%- set script.after = 'tool' -%}
)jinja";

constexpr std::string_view kOtherTurn = R"jinja(
  {%- else -%}
    {%- set content = text_of(message.content) -%}
    {{- '<|im_start|>' -}}{{- message.role -}}{{- '\n' -}}{{- content -}}{{- '<|im_end|>\n' -}}
)jinja";

// MARKED becomes a test for the markers of all scripts.
constexpr std::string_view kScriptAfterUser = R"jinja(
    {%- if message.role == 'user' -%}
      {%- if script.after == 'user' -%}
        {%- set script.words = script.words + '\n' + content -%}
      {%- elif script.after != 'tool' or MARKED -%}
        {%- set script.words = content -%}
        {%- set script.results = 0 -%}
        {%- set script.after = 'user' -%}
      {%- endif -%}
    {%- endif -%}
)jinja";

constexpr std::string_view kMessagesEnd = R"jinja(
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
  {%- if no_thinking -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}
)jinja";

constexpr std::string_view kScriptInGeneration = R"jinja(
  {{- script_token(script.results, script.words, script.offered, not no_thinking) -}}
)jinja";

constexpr std::string_view kEnd = "\n{%- endif -%}";

std::string condition(const ScriptCondition& when) {
  std::string test = "true";
  if (when.tool_results)
    test += std::format(" and results == {}", *when.tool_results);
  for (const std::string& tool : when.tools)
    test += std::format(" and '|{}|' in offered", tool);
  if (when.marker)
    test += std::format(" and '{}' in words", *when.marker);
  return test;
}

/// A macro that prints the control token of the first script that applies.
std::string script_macro(const ScriptFile& file) {
  std::string macro = "\n{%- macro script_token(results, words, offered, thinking) -%}";
  for (std::size_t i = 0; i < file.scripts.size(); ++i) {
    macro += std::format("\n  {{%- {} {} -%}}{{{{- '{}' if thinking else '{}' -}}}}",
                         i == 0 ? "if" : "elif", condition(file.scripts[i].when),
                         script_token(i, false), script_token(i, true));
  }
  return macro + "\n  {%- endif -%}\n{%- endmacro -%}";
}

std::string after_user(const ScriptFile& file) {
  std::string marked = "false";
  for (const Script& script : file.scripts) {
    if (script.when.marker)
      marked += std::format(" or '{}' in content", *script.when.marker);
  }
  std::string part(kScriptAfterUser);
  constexpr std::string_view kHole = "MARKED";
  return part.replace(part.find(kHole), kHole.size(), "(" + marked + ")");
}

} // namespace

std::string script_token(std::size_t index, bool answer_only) {
  return std::format("<|script:{}{}|>", index, answer_only ? ":answer" : "");
}

std::string chat_template(const ScriptFile* scripts) {
  const auto scripted = [&](std::string_view part) { return scripts ? part : std::string_view(); };
  std::string jinja(kContentMacro);
  if (scripts)
    jinja += script_macro(*scripts);
  jinja += kSystemTurn;
  jinja += scripted(kScriptState);
  jinja += kMessagesBegin;
  jinja += scripted(kScriptInHistory);
  jinja += kAssistantAndTool;
  jinja += scripted(kScriptAfterTool);
  jinja += kOtherTurn;
  if (scripts)
    jinja += after_user(*scripts);
  jinja += kMessagesEnd;
  jinja += scripted(kScriptInGeneration);
  jinja += kEnd;
  return jinja;
}

} // namespace anyclaude::demo
