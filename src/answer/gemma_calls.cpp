// Gemma 4: <|tool_call>call:f{key:<|"|>text<|"|>,number:5,list:[1,2]}<tool_call|>
// Source: https://ai.google.dev/gemma/docs/core/prompt-formatting-gemma4
// FunctionGemma: <start_function_call>call:f{key:<escape>text<escape>}<end_function_call>
// Source: https://ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices
#include "answer/family_calls.h"
#include "answer/json_call.h"
#include "answer/text_scan.h"

#include <optional>

namespace anyclaude::answer {

namespace {

struct Markers {
  std::string_view open, close, quote;
};
constexpr Markers kGemma4{"<|tool_call>", "<tool_call|>", "<|\"|>"};
constexpr Markers kFunctionGemma{"<start_function_call>", "<end_function_call>", "<escape>"};
constexpr std::string_view kCall = "call:";
constexpr std::size_t kLongestGemmaHead = 300; // bytes

class GemmaBody : public CallBody {
 public:
  explicit GemmaBody(const Markers& markers) : markers_(markers) {}

  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    if (!begun_)
      if (const Step step = begin(text, at_end, writer); step != Step::done)
        return step;
    if (input_) {
      if (!input_->read(text, at_end, writer))
        return Step::more;
      input_.reset();
    }
    std::string_view rest = text;
    skip_blank(rest);
    if (rest.empty() ? !at_end : may_become(rest, markers_.close, at_end))
      return Step::more;
    if (take(rest, markers_.close))
      text = rest;
    return Step::done;
  }

 private:
  Step begin(std::string_view& text, bool at_end, Writer& writer) {
    std::string_view rest = text;
    skip_blank(rest);
    if (rest.empty() ? !at_end : may_become(rest, kCall, at_end))
      return Step::more;
    if (!take(rest, kCall))
      return Step::no_call;
    const auto end = find_any_near(rest, "{<\n", kLongestGemmaHead, at_end);
    if (!end)
      return Step::more;
    const auto name = trim(rest.substr(0, *end));
    if (*end == std::string_view::npos || rest[*end] != '{' || !is_tool_name(name))
      return Step::no_call;
    rest.remove_prefix(*end);
    text = rest;
    writer.begin_call(name);
    writer.input_begins(text);
    input_.emplace(LenientJson::Syntax{{markers_.close}, markers_.quote});
    begun_ = true;
    return Step::done;
  }

  const Markers& markers_;
  bool begun_ = false;
  std::optional<JsonInput> input_;
};

class GemmaFinder : public CallFinder {
 public:
  CallOpening find(std::string_view text, bool /*at_start*/, bool at_end) const override {
    const auto [at, marker] = find_marker(text, {{kGemma4.open, kFunctionGemma.open}}, at_end);
    if (marker.empty())
      return {at, 0, nullptr};
    return {at, marker.size(),
            std::make_unique<GemmaBody>(marker == kGemma4.open ? kGemma4 : kFunctionGemma)};
  }
};

} // namespace

std::unique_ptr<CallFinder> make_gemma_finder() {
  return std::make_unique<GemmaFinder>();
}

} // namespace anyclaude::answer
