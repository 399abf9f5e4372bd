#pragma once

#include "prompt/chatml.h"

#include <string>
#include <vector>

namespace anyclaude::prompt {

/// A small template of our own with the shape of a model family's, as far as the order of its parts
/// goes: where it renders tools, and which messages it takes.
struct Family {
  const char* name;
  const char* source;
  std::vector<std::string> controls;
  std::vector<std::string> turn_ends; // tokens that end an answer
};

/// System text and tools in one turn, calls as XML; further system messages have a turn each.
inline constexpr const char* kQwenCoderLike = R"({%- set start = 0 -%}
{%- if messages[0].role == 'system' %}{% set start = 1 %}{% endif -%}
{%- if tools or start == 1 -%}
<|im_start|>system
{% if start == 1 %}{{ messages[0].content }}{% else %}A default sentence.{% endif -%}
{%- if tools %}

# Tools
<tools>
{%- for tool in tools %}
<function>
<name>{{ tool.function.name }}</name>
<description>{{ tool.function.description }}</description>
{{ tool.function.parameters | tojson }}
</function>
{%- endfor %}
</tools>{% endif %}<|im_end|>
{% endif -%}
{%- for m in messages[start:] -%}
{%- if m.role == 'tool' -%}
<|im_start|>user
<tool_response>{{ m.content }}</tool_response><|im_end|>
{% else -%}
<|im_start|>{{ m.role }}
{{ m.content }}{% for call in m.tool_calls or [] %}
<tool_call>
<function={{ call.function.name }}>
{%- for key, value in call.function.arguments.items() %}
<parameter={{ key }}>{{ value }}</parameter>
{%- endfor %}
</function>
</tool_call>{% endfor %}<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%})";

/// Tools in the first user message, with a system message in front.
inline constexpr const char* kLlamaLike =
    R"({%- set ns = namespace(system='', tools=tools, start=0) -%}
{%- if messages[0].role == 'system' %}{% set ns.system = messages[0].content | trim %}{% set ns.start = 1 %}{% endif -%}
<|start_header_id|>system<|end_header_id|>

{% if tools %}Environment: ipython
{% endif %}{{ ns.system }}<|eot_id|>
{%- for m in messages[ns.start:] -%}
{%- if m.role == 'tool' -%}
<|start_header_id|>ipython<|end_header_id|>

{{ m.content | tojson }}<|eot_id|>
{%- elif m.tool_calls -%}
<|start_header_id|>assistant<|end_header_id|>

{"name": "{{ m.tool_calls[0].function.name }}", "parameters": {{ m.tool_calls[0].function.arguments | tojson }}}<|eot_id|>
{%- else -%}
<|start_header_id|>{{ m.role }}<|end_header_id|>

{% if ns.tools and m.role == 'user' %}{% for tool in ns.tools %}{{ tool | tojson }}

{% endfor %}{% set ns.tools = none %}{% endif %}{{ m.content | trim }}<|eot_id|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|start_header_id|>assistant<|end_header_id|>

{% endif -%})";

/// Tools beside the last question; turns must alternate, and a system message joins a question.
inline constexpr const char* kMistralLike =
    R"({%- set ns = namespace(system='', start=0, last=0) -%}
{%- if messages[0].role == 'system' %}{% set ns.system = messages[0].content %}{% set ns.start = 1 %}{% endif -%}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor -%}
<s>
{%- for m in messages -%}
{%- if loop.index0 >= ns.start -%}
{%- if m.role == 'user' -%}
{%- if tools and loop.index0 == ns.last -%}[AVAILABLE_TOOLS][{% for tool in tools %}{{ tool | tojson }}{% endfor %}][/AVAILABLE_TOOLS]{%- endif -%}
[INST]{% if loop.index0 == ns.start and ns.system %}{{ ns.system + '\n\n' }}{% endif %}{{ m.content }}[/INST]
{%- elif m.role == 'tool' -%}
[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]
{%- elif m.role == 'assistant' and m.tool_calls -%}
[TOOL_CALLS][{% for call in m.tool_calls %}{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}{% endfor %}]</s>
{%- elif m.role == 'assistant' -%}
{{ m.content }}</s>
{%- else -%}
{{ raise_exception('Only user, assistant and tool roles are supported.') }}
{%- endif -%}
{%- endif -%}
{%- endfor -%})";

/// No tools of its own; all system text stands in front of the first turn.
inline constexpr const char* kDeepSeekLike = R"({%- set ns = namespace(system='') -%}
{%- for m in messages %}{% if m.role == 'system' %}{% set ns.system = ns.system + ('\n\n' if ns.system else '') + m.content %}{% endif %}{% endfor -%}
<begin>{{ ns.system }}
{%- for m in messages -%}
{%- if m.role == 'user' -%}<User>{{ m.content }}
{%- elif m.role == 'assistant' -%}<Assistant>{{ m.content }}<end>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<Assistant>{%- endif -%})";

/// Tools in a system turn of their own, in front of everything.
inline constexpr const char* kGlmLike = R"([gMASK]<sop>
{%- if tools -%}
<|system|>
# Tools
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor -%}
{%- endif -%}
{%- for m in messages -%}
{%- if m.role == 'tool' -%}
<|observation|>
<tool_response>
{{ m.content }}
</tool_response>
{%- else -%}
<|{{ m.role }}|>
{{ m.content }}{% for call in m.tool_calls or [] %}
<tool_call>{{ call.function.name }}
{%- for key, value in call.function.arguments.items() %}
<arg_key>{{ key }}</arg_key>
<arg_value>{{ value }}</arg_value>
{%- endfor %}
</tool_call>{% endfor %}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%})";

/// The first system message is a part of a developer turn, with the tools behind it; others are
/// left out.
inline constexpr const char* kHarmonyLike =
    R"(<|start|>system<|message|>You answer in channels.<|end|>
{%- set start = 1 if messages[0].role == 'system' else 0 -%}
{%- if start == 1 or tools -%}
<|start|>developer<|message|>{% if start == 1 %}# Instructions

{{ messages[0].content }}{% endif %}{% if tools %}

# Tools

namespace functions {
{% for tool in tools %}
// {{ tool.function.description }}
type {{ tool.function.name }} = (_: {{ tool.function.parameters | tojson }}) => any;
{% endfor %}
}{% endif %}<|end|>
{%- endif -%}
{%- for m in messages[start:] -%}
{%- if m.role == 'user' -%}
<|start|>user<|message|>{{ m.content }}<|end|>
{%- elif m.role == 'assistant' and m.tool_calls -%}
<|start|>assistant to=functions.{{ m.tool_calls[0].function.name }}<|channel|>commentary json<|message|>{{ m.tool_calls[0].function.arguments | tojson }}<|call|>
{%- elif m.role == 'assistant' -%}
<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>
{%- elif m.role == 'tool' -%}
<|start|>functions.{{ m.name }} to=assistant<|channel|>commentary<|message|>{{ m.content | tojson }}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%})";

/// No system role, no tools: a question says everything.
inline constexpr const char* kGemmaLike = R"(<bos>
{%- for m in messages -%}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('Roles must alternate.') }}{%- endif -%}
<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}
{{ m.content | trim }}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt -%}<start_of_turn>model
{% endif -%})";

inline std::vector<Family> families() {
  static const std::string forgetful = forgetful_template();
  return {
      {"qwen", kQwenLikeTemplate, {"<|im_start|>", "<|im_end|>"}, {"<|im_end|>"}},
      {"qwen-thinking", forgetful.c_str(), {"<|im_start|>", "<|im_end|>"}, {"<|im_end|>"}},
      {"qwen-coder", kQwenCoderLike, {"<|im_start|>", "<|im_end|>"}, {"<|im_end|>"}},
      {"llama",
       kLlamaLike,
       {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
       {"<|eot_id|>"}},
      {"mistral",
       kMistralLike,
       {"<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
        "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"},
       {"</s>"}},
      {"deepseek", kDeepSeekLike, {"<begin>", "<User>", "<Assistant>", "<end>"}, {"<end>"}},
      {"glm",
       kGlmLike,
       {"[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"},
       {"<|user|>", "<|observation|>"}},
      {"harmony",
       kHarmonyLike,
       {"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|return|>"},
       {"<|return|>", "<|call|>"}},
      {"gemma", kGemmaLike, {"<bos>", "<start_of_turn>", "<end_of_turn>"}, {"<end_of_turn>"}},
  };
}

} // namespace anyclaude::prompt
