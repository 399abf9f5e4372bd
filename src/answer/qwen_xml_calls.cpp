// Qwen3-Coder and later Qwens:
//   <tool_call>\n<function=f>\n<parameter=key>\nvalue\n</parameter>\n</function>\n</tool_call>
// Source: the models' chat templates. The outer opening tag is left out at times (ollama #17742,
// #18532), and so are closing tags in long contexts (ollama #17914).
#include "answer/tag_calls.h"
#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

constexpr std::string_view kOpen = "<function=";
constexpr std::string_view kOuterEnd = "</tool_call>";
constexpr std::size_t kLongestName = 200; // bytes

class QwenXmlBody : public CallBody {
 public:
  explicit QwenXmlBody(bool bare) : bare_(bare) {}

  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    if (!begun_)
      if (const Step step = begin(text, at_end, writer); step != Step::done)
        return step;
    if (!ended_ && !arguments_.read(text, at_end, writer))
      return Step::more;
    ended_ = true;
    std::string_view rest = text;
    skip_blank(rest);
    if (rest.empty() ? !at_end : may_become(rest, kOuterEnd, at_end))
      return Step::more;
    if (take(rest, kOuterEnd))
      text = rest;
    return Step::done;
  }

 private:
  Step begin(std::string_view& text, bool at_end, Writer& writer) {
    std::string_view rest = text;
    if (!bare_) {
      skip_blank(rest);
      if (rest.empty() ? !at_end : may_become(rest, kOpen, at_end))
        return Step::more;
      if (!take(rest, kOpen))
        return Step::no_call;
    }
    const auto close = find_near(rest, ">", kLongestName, at_end);
    if (!close)
      return Step::more;
    if (*close == std::string_view::npos)
      return Step::no_call;
    auto name = trim(rest.substr(0, *close));
    if (name.size() > 2 && name.starts_with('"') && name.ends_with('"'))
      name = name.substr(1, name.size() - 2);
    if (!is_tool_name(name) || (bare_ && !writer.tools()->find(name)))
      return Step::no_call;
    rest.remove_prefix(*close + 1);
    arguments_.begin(writer.begin_call(name));
    writer.input_begins(rest);
    text = rest;
    begun_ = true;
    return Step::done;
  }

  bool bare_;
  bool begun_ = false;
  bool ended_ = false;
  TaggedArguments arguments_{qwen_xml_syntax()};
};

} // namespace

const TagSyntax& qwen_xml_syntax() {
  static const TagSyntax kSyntax{.key_open = "<parameter=",
                                 .key_close = ">",
                                 .value_open = "",
                                 .value_close = "</parameter>",
                                 .end = "</function>",
                                 .outer_end = "</tool_call>",
                                 .value_on_lines = true};
  return kSyntax;
}

std::unique_ptr<CallBody> make_qwen_xml_body(bool bare) {
  return std::make_unique<QwenXmlBody>(bare);
}

} // namespace anyclaude::answer
