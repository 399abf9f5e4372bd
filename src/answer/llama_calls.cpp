// Llama 3.1 and later: the answer is {"name": "f", "parameters": {…}}, with <|python_tag|> in front
// of it in some versions and ";" between parallel calls. Source:
// https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1 (JSON based tool calling).
// Nothing else tells such a call from other JSON, so the tool must be one that was offered.
#include "answer/family_calls.h"
#include "answer/json_call.h"
#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

constexpr std::string_view kTag = "<|python_tag|>";

class LlamaBody : public CallBody {
 public:
  explicit LlamaBody(bool tagged) : tagged_(tagged), call_(options()) {}

  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    for (;;) {
      if (!between_) {
        if (const Step step = call_.read(text, at_end, writer); step != Step::done)
          return step == Step::no_call && begun_ ? Step::done : step;
        begun_ = true;
        between_ = true;
      }
      std::string_view rest = text;
      skip_blank(rest);
      take(rest, ";");
      take(rest, ",");
      skip_blank(rest);
      if (rest.empty() ? !at_end : may_become(rest, kTag, at_end))
        return Step::more;
      take(rest, kTag);
      skip_blank(rest);
      if (rest.empty() && !at_end)
        return Step::more;
      if (!rest.starts_with('{'))
        return Step::done;
      call_ = JsonCall(options());
      if (const Step step = call_.read(rest, at_end, writer); step == Step::more) {
        if (!call_.begun())
          return Step::more; // not yet sure that it is another one
        text = rest;
        between_ = false;
        return step;
      } else if (step == Step::no_call) {
        return Step::done;
      }
      text = rest;
    }
  }

 private:
  JsonCall::Options options() const { return {.closers = {}, .known_tools_only = !tagged_}; }

  bool tagged_;
  JsonCall call_;
  bool begun_ = false;
  bool between_ = false;
};

class LlamaFinder : public CallFinder {
 public:
  CallOpening find(std::string_view text, bool at_start, bool at_end) const override {
    std::string_view rest = text;
    skip_blank(rest);
    if (at_start && rest.starts_with('{')) {
      const auto blanks = text.size() - rest.size();
      return {blanks, 0, std::make_unique<LlamaBody>(false)};
    }
    const auto [at, marker] = find_marker(text, {{kTag}}, at_end);
    if (marker.empty())
      return {at, 0, nullptr};
    return {at, marker.size(), std::make_unique<LlamaBody>(true)};
  }
};

} // namespace

std::unique_ptr<CallFinder> make_llama_finder() {
  return std::make_unique<LlamaFinder>();
}

} // namespace anyclaude::answer
