#pragma once

#include <string>
#include <string_view>

namespace anyclaude::prompt {

/// A template of our own in the manner of Qwen's: tools behind the system text, calls as JSON
/// between tags, results in a turn of the user.
inline constexpr const char* kQwenLikeTemplate = R"({%- set ns = namespace(system='') -%}
{%- if messages[0].role == 'system' %}{% set ns.system = messages[0].content %}{% endif -%}
{%- if tools or ns.system -%}
<|im_start|>system
{{ ns.system }}{% if tools %}

Tools:
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}{% endif %}<|im_end|>
{% endif -%}
{%- for m in messages -%}
{%- if m.role == 'user' or (m.role == 'system' and not loop.first) -%}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' -%}
<|im_start|>assistant
{% if m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}{% for call in m.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% elif m.role == 'tool' -%}
<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if not enable_thinking %}<think>

</think>

{% endif %}{% endif -%})";

/// The same, but without the thinking of turns in front of the last question, as Qwen3's and most
/// others of models that think.
inline std::string forgetful_template() {
  std::string source = kQwenLikeTemplate;
  constexpr std::string_view kThinking = "{% if m.reasoning_content %}";
  source.replace(source.find(kThinking), kThinking.size(),
                 "{% if m.reasoning_content and loop.index0 > ns.last %}");
  constexpr std::string_view kSystem = "namespace(system='')";
  source.replace(source.find(kSystem), kSystem.size(), "namespace(system='', last=0)");
  return source.insert(source.find('\n'),
                       "\n{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = "
                       "loop.index0 %}{% endif %}{% endfor -%}");
}

} // namespace anyclaude::prompt
