// MiniMax M2: <minimax:tool_call>\n<invoke name="f">\n<parameter name="key">value</parameter>\n
// </invoke>\n</minimax:tool_call>. DeepSeek from V3.2 on writes the same with ｜DSML｜ in front of
// the tags' names, function_calls or tool_calls around the calls, and string="true" or "false"
// behind a parameter's name. Source: the models' chat templates; ochafik/minja #11.
#include "answer/invoke_calls.h"

#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

constexpr std::size_t kLongestName = 200; // bytes

class InvokeBody : public CallBody {
 public:
  explicit InvokeBody(const Dialect& dialect)
      : syntax_(invoke_syntax(dialect)), open_("<" + dialect.tag_prefix + "invoke name=\""),
        end_("</" + dialect.tag_prefix + dialect.wrapper + ">"), arguments_(syntax_) {}

  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    for (;;) {
      if (in_arguments_) {
        if (!arguments_.read(text, at_end, writer))
          return Step::more;
        in_arguments_ = false;
      }
      std::string_view rest = text;
      skip_blank(rest);
      if (rest.empty()
              ? !at_end
              : may_become(rest, open_, at_end) || (begun_ && may_become(rest, end_, at_end)))
        return Step::more;
      if (!rest.starts_with(open_)) {
        if (!begun_)
          return Step::no_call;
        if (take(rest, end_))
          text = rest;
        return Step::done;
      }
      if (const Step step = begin(text, rest, at_end, writer); step != Step::done)
        return step == Step::no_call && begun_ ? Step::done : step;
    }
  }

 private:
  Step begin(std::string_view& text, std::string_view rest, bool at_end, Writer& writer) {
    take(rest, open_);
    const auto quote = rest.find('"');
    const auto close = find_near(rest, ">", kLongestName, at_end);
    if (!close)
      return Step::more;
    if (*close == std::string_view::npos || quote > *close ||
        !is_tool_name(rest.substr(0, quote)) ||
        !trim(rest.substr(quote + 1, *close - quote - 1)).empty())
      return Step::no_call;
    const auto name = rest.substr(0, quote);
    rest.remove_prefix(*close + 1);
    arguments_ = TaggedArguments(syntax_);
    arguments_.begin(writer.begin_call(name));
    writer.input_begins(rest);
    text = rest;
    begun_ = true;
    in_arguments_ = true;
    return Step::done;
  }

  TagSyntax syntax_;
  std::string open_;
  std::string end_;
  TaggedArguments arguments_;
  bool begun_ = false;
  bool in_arguments_ = false;
};

} // namespace

TagSyntax invoke_syntax(const Dialect& dialect) {
  const std::string& prefix = dialect.tag_prefix;
  return {.key_open = "<" + prefix + "parameter name=\"",
          .key_close = "\"",
          .value_open = ">",
          .value_close = "</" + prefix + "parameter>",
          .end = "</" + prefix + "invoke>",
          .outer_end = "",
          .value_on_lines = false};
}

std::unique_ptr<CallBody> make_invoke_body(const Dialect& dialect) {
  return std::make_unique<InvokeBody>(dialect);
}

} // namespace anyclaude::answer
