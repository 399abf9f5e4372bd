// GLM 4.5 and later:
// <tool_call>f\n<arg_key>key</arg_key>\n<arg_value>value</arg_value>\n</tool_call>. Source: the
// models' chat templates. From 4.7 on there are no line ends, and a call without arguments is
// <tool_call>f</tool_call> (vllm #44326).
#include "answer/tag_calls.h"
#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

constexpr std::size_t kLongestName = 200; // bytes

class GlmBody : public CallBody {
 public:
  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    if (!begun_)
      if (const Step step = begin(text, at_end, writer); step != Step::done)
        return step;
    return arguments_.read(text, at_end, writer) ? Step::done : Step::more;
  }

 private:
  Step begin(std::string_view& text, bool at_end, Writer& writer) {
    std::string_view rest = text;
    skip_blank(rest);
    const auto end = find_any_near(rest, "\n<", kLongestName, at_end);
    if (!end)
      return Step::more;
    if (*end == std::string_view::npos)
      return Step::no_call;
    const auto name = trim(rest.substr(0, *end));
    rest.remove_prefix(*end);
    skip_blank(rest);
    const auto& syntax = glm_syntax();
    if (rest.empty()
            ? !at_end
            : may_become(rest, syntax.key_open, at_end) || may_become(rest, syntax.end, at_end))
      return Step::more;
    const bool ends = rest.starts_with(syntax.end); // then only its name tells that it is a call
    if (!is_tool_name(name) || (!ends && !rest.starts_with(syntax.key_open)) ||
        (ends && !writer.tools()->find(name)))
      return Step::no_call;
    arguments_.begin(writer.begin_call(name));
    writer.input_begins(
        text.substr(static_cast<std::size_t>(name.data() + name.size() - text.data())));
    text = rest;
    begun_ = true;
    return Step::done;
  }

  bool begun_ = false;
  TaggedArguments arguments_{glm_syntax()};
};

} // namespace

const TagSyntax& glm_syntax() {
  static const TagSyntax kSyntax{.key_open = "<arg_key>",
                                 .key_close = "</arg_key>",
                                 .value_open = "<arg_value>",
                                 .value_close = "</arg_value>",
                                 .end = "</tool_call>",
                                 .outer_end = "",
                                 .value_on_lines = false};
  return kSyntax;
}

std::unique_ptr<CallBody> make_glm_body() {
  return std::make_unique<GlmBody>();
}

} // namespace anyclaude::answer
