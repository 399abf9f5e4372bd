// DeepSeek V3.1:
//   <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{…}<｜tool▁call▁end｜>…<｜tool▁calls▁end｜>
// and V3 and R1, where "function" stands in the name's place:
//   …<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{…}\n```<｜tool▁call▁end｜>…
// Source: the models' chat templates; vllm #23454.
#include "answer/family_calls.h"
#include "answer/json_call.h"
#include "answer/text_scan.h"

#include <optional>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kBegin = "<｜tool▁call▁begin｜>";
constexpr std::string_view kEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
constexpr std::string_view kCodeEnd = "```";
constexpr std::size_t kLongestDeepSeekHead = 400; // bytes

class DeepseekBody : public CallBody {
 public:
  /// `in_call`: behind the opening of a call; otherwise behind that of all calls.
  explicit DeepseekBody(bool in_call) : head_(in_call) {}

  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    for (;;) {
      if (input_) {
        if (!input_->read(text, at_end, writer))
          return Step::more;
        input_.reset();
      }
      const Step step = head_ ? begin(text, at_end, writer) : between(text, at_end);
      if (step == Step::no_call && begun_)
        return Step::done; // what follows is text
      if (step != Step::done || (!head_ && !input_))
        return step;
    }
  }

 private:
  /// f<｜tool▁sep｜> and what else stands in front of the JSON.
  Step begin(std::string_view& text, bool at_end, Writer& writer) {
    std::string_view rest = text;
    if (trim(rest).starts_with(kBegin))
      skip_blank(rest);
    take(rest, kBegin);
    const auto brace = find_near(rest, "{", kLongestDeepSeekHead, at_end);
    if (!brace)
      return Step::more;
    const auto head = rest.substr(0, *brace);
    const auto separator = head.find(kSeparator);
    if (*brace == std::string_view::npos || separator == std::string_view::npos)
      return Step::no_call;
    auto name = trim(head.substr(0, separator));
    auto behind = trim(head.substr(separator + kSeparator.size()));
    if (name == "function" && !behind.empty()) {
      name = trim(behind.substr(0, behind.find_first_of("\n`")));
      behind = trim(behind.substr(name.size()));
    }
    if (!is_tool_name(name) || (!behind.empty() && behind != kCodeEnd && behind != "```json"))
      return Step::no_call;
    rest.remove_prefix(*brace);
    text = rest;
    writer.begin_call(name);
    writer.input_begins(text);
    input_.emplace(LenientJson::Syntax{{kCodeEnd, kEnd, kCallsEnd}, {}});
    begun_ = true;
    head_ = false;
    return Step::done;
  }

  /// Behind a call, or in front of the first: whether another one follows.
  Step between(std::string_view& text, bool at_end) {
    std::string_view rest = text;
    skip_blank(rest);
    if (begun_) {
      if (may_become(rest, kCodeEnd, at_end) || may_become(rest, kEnd, at_end))
        return Step::more;
      take(rest, kCodeEnd);
      skip_blank(rest);
      if (rest.empty() ? !at_end : may_become(rest, kEnd, at_end))
        return Step::more;
      take(rest, kEnd);
      skip_blank(rest);
    }
    if (rest.empty()
            ? !at_end
            : may_become(rest, kBegin, at_end) || (begun_ && may_become(rest, kCallsEnd, at_end)))
      return Step::more;
    head_ = rest.starts_with(kBegin);
    if (!head_ && !begun_)
      return Step::no_call;
    if (!head_)
      take(rest, kCallsEnd);
    if (begun_) // otherwise this may still turn out to be text
      text = rest;
    return Step::done;
  }

  bool head_;
  bool begun_ = false;
  std::optional<JsonInput> input_;
};

class DeepseekFinder : public CallFinder {
 public:
  CallOpening find(std::string_view text, bool /*at_start*/, bool at_end) const override {
    const auto [at, marker] = find_marker(text, {{kCallsBegin, kBegin}}, at_end);
    if (marker.empty())
      return {at, 0, nullptr};
    return {at, marker.size(), std::make_unique<DeepseekBody>(marker == kBegin)};
  }
};

} // namespace

std::unique_ptr<CallFinder> make_deepseek_finder() {
  return std::make_unique<DeepseekFinder>();
}

} // namespace anyclaude::answer
