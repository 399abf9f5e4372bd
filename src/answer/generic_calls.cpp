// Models whose template knows no tools are shown them in the system text, with calls as
//   {"tool_calls": [{"name": "f", "arguments": {…}, "id": "…"}]}
// the form in which minja renders past calls for such templates. Accepted beside it: the object of
// one call alone, either of them in a ```json fence, and <tool_call> tags. Nothing else tells such
// JSON from other JSON, so the tool must be one that was offered.
#include "answer/family_calls.h"
#include "answer/json_call.h"
#include "answer/text_scan.h"

#include <nlohmann/json.hpp>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kFences[] = {"```json", "```tool_call", "```tool_code"};
constexpr std::string_view kFence = "```";

/// One call, or {"tool_calls": […], "content": "…"}.
class GenericBody : public CallBody {
 public:
  explicit GenericBody(bool fenced) : fenced_(fenced) {}

  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    if (state_ == State::begin)
      if (const Step step = begin(text, at_end); step != Step::done)
        return step;
    while (state_ == State::call || state_ == State::between) {
      const Step step =
          state_ == State::call ? read_call(text, at_end, writer) : between(text, at_end);
      if (step != Step::done)
        return step;
    }
    if (state_ == State::members)
      if (const Step step = members(text, at_end, writer); step != Step::done)
        return step;
    return end(text, at_end);
  }

 private:
  enum class State { begin, call, between, members, end };

  Step begin(std::string_view text, bool at_end) {
    std::string_view rest = text;
    skip_blank(rest);
    if (rest.empty())
      return at_end ? Step::no_call : Step::more;
    if (!take(rest, "{"))
      return Step::no_call;
    skip_blank(rest);
    for (const std::string_view key : {"\"tool_calls\"", "\"tool_call\""}) {
      if (may_become(rest, key, at_end))
        return Step::more;
      if (!take(rest, key))
        continue;
      skip_blank(rest);
      if (rest.empty() && !at_end)
        return Step::more;
      if (!take(rest, ":"))
        return Step::no_call;
      skip_blank(rest);
      if (rest.empty() && !at_end)
        return Step::more;
      list_ = take(rest, "[");
      wrapped_ = true;
      front_ = text.size() - rest.size();
      break;
    }
    state_ = State::call;
    return Step::done;
  }

  Step read_call(std::string_view& text, bool at_end, Writer& writer) {
    std::string_view rest = text;
    if (!begun_)
      rest.remove_prefix(std::min(front_, rest.size()));
    const Step step = call_.read(rest, at_end, writer);
    if (step == Step::no_call && !begun_)
      return step;
    if (step == Step::no_call) {
      state_ = State::members;
      return Step::done;
    }
    if (call_.begun() || begun_) {
      text = rest;
      begun_ = true;
    }
    if (step == Step::more)
      return step;
    call_ = JsonCall({.closers = {kFence}, .known_tools_only = true});
    state_ = State::between;
    return Step::done;
  }

  /// Whether another call follows in the list.
  Step between(std::string_view& text, bool at_end) {
    std::string_view rest = text;
    skip_blank(rest);
    const bool comma = list_ && take(rest, ",");
    skip_blank(rest);
    if (list_ && rest.empty() && !at_end)
      return Step::more;
    state_ = wrapped_ ? State::members : State::end;
    if (comma && rest.starts_with('{')) {
      text = rest;
      state_ = State::call;
    }
    return Step::done;
  }

  /// What stands behind the list: brackets, and text that the model says in "content".
  Step members(std::string_view& text, bool at_end, Writer& writer) {
    for (;;) {
      std::string_view rest = text;
      skip_blank(rest);
      if (rest.empty()) {
        if (!at_end)
          return Step::more;
        break;
      }
      if (take(rest, "]")) {
        text = rest;
        continue;
      }
      if (take(rest, "}")) {
        text = rest;
        break;
      }
      if (!take(rest, ","))
        break;
      skip_blank(rest);
      const auto colon = find_near(rest, ":", kLongestCallKey, at_end);
      if (!colon)
        return Step::more;
      if (*colon == std::string_view::npos || !rest.starts_with('"'))
        break;
      if (!trim(rest.substr(0, *colon)).starts_with("\"content\""))
        break;
      rest.remove_prefix(*colon + 1);
      LenientJson json;
      std::string value;
      json.read(rest, at_end, value);
      if (!json.complete()) {
        if (!json.broken() && !at_end)
          return Step::more;
        break;
      }
      if (const auto said = nlohmann::json::parse(value, nullptr, false); said.is_string())
        writer.text(said.get<std::string>());
      else
        writer.text(value);
      text = rest;
    }
    state_ = State::end;
    return Step::done;
  }

  Step end(std::string_view& text, bool at_end) const {
    if (!fenced_)
      return Step::done;
    std::string_view rest = text;
    skip_blank(rest);
    if (rest.empty() ? !at_end : may_become(rest, kFence, at_end))
      return Step::more;
    if (take(rest, kFence))
      text = rest;
    return Step::done;
  }

  bool fenced_;
  State state_ = State::begin;
  JsonCall call_{{.closers = {kFence}, .known_tools_only = true}};
  std::size_t front_ = 0; // bytes of the wrapping object in front of the first call
  bool list_ = false;
  bool wrapped_ = false;
  bool begun_ = false;
};

class GenericFinder : public CallFinder {
 public:
  CallOpening find(std::string_view text, bool at_start, bool at_end) const override {
    std::string_view rest = text;
    skip_blank(rest);
    if (at_start && rest.starts_with('{'))
      return {text.size() - rest.size(), 0, std::make_unique<GenericBody>(false)};
    auto opening = tags_->find(text, at_start, at_end);
    const auto [at, marker] = find_marker(text, kFences, at_end);
    if (opening.body ? at > opening.before : marker.empty())
      return opening.body ? std::move(opening)
                          : CallOpening{std::min(at, opening.before), 0, nullptr};
    if (marker.empty())
      return opening;
    return {at, marker.size(), std::make_unique<GenericBody>(true)};
  }

 private:
  std::unique_ptr<CallFinder> tags_ = make_tag_finder(false);
};

} // namespace

std::unique_ptr<CallFinder> make_generic_finder() {
  return std::make_unique<GenericFinder>();
}

} // namespace anyclaude::answer
