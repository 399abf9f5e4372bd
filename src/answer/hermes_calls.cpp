// Hermes and Qwen: <tool_call>\n{"name": "f", "arguments": {"key": 1}}\n</tool_call>, once for each
// call. Source: https://github.com/NousResearch/Hermes-Function-Calling, and the chat templates of
// Qwen2.5 and Qwen3. Several objects within one pair of tags have been seen.
#include "answer/json_call.h"
#include "answer/tag_calls.h"
#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

constexpr std::string_view kEnd = "</tool_call>";

class HermesBody : public CallBody {
 public:
  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    for (;;) {
      if (!between_) {
        if (const Step step = call_.read(text, at_end, writer); step != Step::done)
          return step;
        between_ = true;
      }
      std::string_view rest = text;
      skip_blank(rest);
      if (rest.empty() ? !at_end : may_become(rest, kEnd, at_end))
        return Step::more;
      if (rest.starts_with('{')) { // one more in the same tags
        call_ = JsonCall({.closers = {kEnd}});
        between_ = false;
        another_ = true;
        continue;
      }
      if (take(rest, kEnd))
        text = rest;
      return Step::done;
    }
  }

 private:
  JsonCall call_{{.closers = {kEnd}}};
  bool between_ = false;
  bool another_ = false;
};

} // namespace

std::unique_ptr<CallBody> make_hermes_body() {
  return std::make_unique<HermesBody>();
}

} // namespace anyclaude::answer
