// Mistral, two ways. Up to the v7 tokenizer all calls in one list:
//   [TOOL_CALLS][{"name": "f", "arguments": {…}, "id": "9 characters"}, …]
// later ones, once for each call, the identifier in v11 only:
//   [TOOL_CALLS]f[CALL_ID]123456789[ARGS]{…}
// Source: https://github.com/mistralai/mistral-common (tokens/tokenizers/instruct.py).
#include "answer/family_calls.h"
#include "answer/json_call.h"
#include "answer/text_scan.h"

#include <optional>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kMarker = "[TOOL_CALLS]";
constexpr std::string_view kId = "[CALL_ID]";
constexpr std::string_view kArguments = "[ARGS]";
constexpr std::size_t kLongestMistralHead = 300; // bytes of name and identifier

class MistralBody : public CallBody {
 public:
  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    switch (form_) {
    case Form::unknown: {
      std::string_view rest = text;
      skip_blank(rest);
      if (rest.empty())
        return at_end ? Step::no_call : Step::more;
      form_ = rest.front() == '[' || rest.front() == '{' ? Form::list : Form::named;
      return read(text, at_end, writer);
    }
    case Form::list:
      return read_list(text, at_end, writer);
    case Form::named:
      break;
    }
    if (!input_)
      if (const Step step = begin(text, at_end, writer); step != Step::done)
        return step;
    return input_->read(text, at_end, writer) ? Step::done : Step::more;
  }

 private:
  enum class Form { unknown, list, named };

  /// f[ARGS]{…}; models have been seen to leave [ARGS] out.
  Step begin(std::string_view& text, bool at_end, Writer& writer) {
    const auto brace = find_near(text, "{", kLongestMistralHead, at_end);
    if (!brace)
      return Step::more;
    if (*brace == std::string_view::npos)
      return Step::no_call;
    const auto head = text.substr(0, *brace);
    const auto arguments = head.find(kArguments);
    auto name = trim(head.substr(0, arguments));
    if (const auto id = name.find(kId); id != std::string_view::npos) {
      if (!is_tool_name(trim(name.substr(id + kId.size()))))
        return Step::no_call;
      name = name.substr(0, id);
    }
    if (arguments != std::string_view::npos &&
        !trim(head.substr(arguments + kArguments.size())).empty())
      return Step::no_call;
    if (!is_tool_name(name))
      return Step::no_call;
    text.remove_prefix(*brace);
    writer.begin_call(name);
    writer.input_begins(text);
    input_.emplace(LenientJson::Syntax{{kMarker}, {}});
    return Step::done;
  }

  Step read_list(std::string_view& text, bool at_end, Writer& writer) {
    for (;;) {
      if (in_call_) {
        std::string_view rest = text;
        if (!begun_) {
          skip_blank(rest);
          take(rest, "[");
        }
        const Step step = call_.read(rest, at_end, writer);
        if (step == Step::no_call)
          return begun_ ? Step::done : Step::no_call;
        if (call_.begun()) {
          text = rest;
          begun_ = true;
        }
        if (step == Step::more)
          return step;
        in_call_ = false;
        call_ = JsonCall({.closers = {"]"}});
      }
      std::string_view rest = text;
      skip_blank(rest);
      if (rest.empty())
        return at_end ? Step::done : Step::more;
      if (take(rest, "]")) {
        text = rest;
        return Step::done;
      }
      if (!take(rest, ","))
        return Step::done;
      skip_blank(rest);
      if (rest.empty() && !at_end)
        return Step::more;
      if (!rest.starts_with('{'))
        return Step::done;
      text = rest;
      in_call_ = true;
    }
  }

  Form form_ = Form::unknown;
  std::optional<JsonInput> input_;
  JsonCall call_{{}};
  bool in_call_ = true;
  bool begun_ = false;
};

class MistralFinder : public CallFinder {
 public:
  CallOpening find(std::string_view text, bool /*at_start*/, bool at_end) const override {
    const auto [at, marker] = find_marker(text, {{kMarker}}, at_end);
    if (marker.empty())
      return {at, 0, nullptr};
    return {at, marker.size(), std::make_unique<MistralBody>()};
  }
};

} // namespace

std::unique_ptr<CallFinder> make_mistral_finder() {
  return std::make_unique<MistralFinder>();
}

} // namespace anyclaude::answer
