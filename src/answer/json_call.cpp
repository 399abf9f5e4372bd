#include "answer/json_call.h"

#include "answer/text_scan.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace anyclaude::answer {

namespace {

using Step = CallBody::Step;

constexpr std::string_view kNameKeys[] = {"name", "tool_name", "tool"};
constexpr std::string_view kArgumentKeys[] = {"arguments", "parameters", "input", "args"};
constexpr std::string_view kOtherKeys[] = {"id", "type", "call_id", "tool_call_id", "index"};

/// A complete value at the front of the text as strict JSON, which is taken. `more` while it is not
/// complete, `no_call` where it is broken.
Step whole_value(std::string_view& text, bool at_end, const LenientJson::Syntax& syntax,
                 std::string& out) {
  LenientJson json(syntax);
  std::string_view rest = text;
  json.read(rest, at_end, out);
  if (!json.complete())
    return json.broken() || at_end ? Step::no_call : Step::more;
  text = rest;
  return Step::done;
}

/// Whether a member tells nothing but which call this is, so that it can be left out.
bool only_identifies(std::string_view key, std::string_view value) {
  if (!std::ranges::contains(kOtherKeys, key))
    return false;
  if (value.size() > 1 && value.starts_with('"'))
    value = value.substr(1, value.size() - 2);
  return value.empty() || is_tool_name(value);
}

std::string_view unquoted(std::string_view key) {
  key = trim(key);
  return key.size() > 2 && (key.front() == '"' || key.front() == '\'')
             ? key.substr(1, key.size() - 2)
             : key;
}

std::string string_of(const std::string& json) {
  const auto value = nlohmann::json::parse(json, nullptr, false);
  return value.is_string() ? value.get<std::string>() : "";
}

} // namespace

JsonCall::JsonCall(Options options)
    : options_(std::move(options)), input_(LenientJson::Syntax{options_.closers, {}}) {}

CallBody::Step JsonCall::read(std::string_view& text, bool at_end, Writer& writer) {
  if (state_ == State::header)
    if (const Step step = begin(text, at_end, writer); step != Step::done)
      return step;
  if (state_ == State::arguments)
    if (const Step step = arguments(text, at_end, writer); step != Step::done)
      return step;
  if (state_ == State::string_end)
    if (const Step step = string_end(text, at_end); step != Step::done)
      return step;
  return state_ == State::tail ? tail(text, at_end) : Step::done;
}

/// Reads up to where the arguments begin, or the whole call where they do not stand last.
CallBody::Step JsonCall::begin(std::string_view& text, bool at_end, Writer& writer) {
  Header found;
  std::string_view rest = text;
  if (const Step step = header(rest, at_end, found); step != Step::done)
    return step;
  if (options_.known_tools_only && !writer.tools()->find(found.name))
    return Step::no_call;
  text = rest;
  open_ = found.open;
  as_string_ = found.as_string;
  writer.begin_call(found.name);
  if (found.arguments_begin && !as_string_ && open_ == 1)
    writer.input_begins(text);
  if (found.arguments_begin) {
    state_ = State::arguments;
    return Step::done;
  }
  writer.input(found.arguments);
  writer.end_call();
  state_ = State::tail;
  return Step::done;
}

CallBody::Step JsonCall::header(std::string_view& text, bool at_end, Header& found) {
  skip_blank(text);
  if (text.empty())
    return at_end ? Step::no_call : Step::more;
  if (!take(text, "{"))
    return Step::no_call;
  found.open = 1;
  while (!found.arguments_begin) {
    skip_blank(text);
    if (text.empty())
      return at_end ? Step::no_call : Step::more;
    if (take(text, ","))
      continue;
    if (text.starts_with('}'))
      return found.name.empty() ? Step::no_call : Step::done;
    if (const Step step = member(text, at_end, found); step != Step::done)
      return step;
  }
  return Step::done;
}

/// One member of the call's object.
CallBody::Step JsonCall::member(std::string_view& text, bool at_end, Header& found) {
  const LenientJson::Syntax syntax{options_.closers, {}};
  const auto colon = find_near(text, ":", kLongestCallKey, at_end);
  if (!colon)
    return Step::more;
  if (*colon == std::string_view::npos)
    return Step::no_call;
  const auto key = unquoted(text.substr(0, *colon));
  std::string_view rest = text.substr(*colon + 1);
  skip_blank(rest);
  if (rest.empty())
    return at_end ? Step::no_call : Step::more;
  const auto is = [key](std::span<const std::string_view> keys) {
    return std::ranges::contains(keys, key);
  };
  std::string value;
  if (key == "function" && rest.starts_with('{')) {
    rest.remove_prefix(1);
    ++found.open;
  } else if (is(kNameKeys) || key == "function") {
    if (const Step step = whole_value(rest, at_end, syntax, value); step != Step::done)
      return step;
    found.name = string_of(value);
    if (!is_tool_name(found.name))
      return Step::no_call;
  } else if (is(kArgumentKeys)) {
    if (!rest.starts_with('{') && !rest.starts_with('"') && !rest.starts_with("null") &&
        !may_become(rest, "null", at_end))
      return Step::no_call;
    // Nothing but an opening bracket is no call yet.
    if (const auto begun = trim(rest); begun == "\"" || begun == "{" || begun == "\"{")
      return at_end ? Step::no_call : Step::more;
    if (!found.name.empty() && (rest.starts_with('{') || rest.starts_with("\"{"))) {
      found.as_string = take(rest, "\"");
      found.arguments_begin = true;
    } else {
      if (const Step step = whole_value(rest, at_end, syntax, value); step != Step::done)
        return step;
      if (value.starts_with('"')) { // a string that holds JSON
        const std::string held = string_of(value);
        std::string_view inner = held;
        value.clear();
        if (!trim(inner).empty() && whole_value(inner, true, syntax, value) != Step::done)
          return Step::no_call;
      }
      found.arguments = value == "null" ? "" : value;
      if (!found.arguments.empty() && !found.arguments.starts_with('{'))
        return Step::no_call;
    }
  } else if (is(kOtherKeys)) {
    if (const Step step = whole_value(rest, at_end, syntax, value); step != Step::done)
      return step;
    if (!only_identifies(key, value))
      return Step::no_call;
  } else {
    return Step::no_call;
  }
  text = rest;
  return Step::done;
}

/// Takes the escapes of a string away from the arguments that stand in it.
void JsonCall::decode(std::string_view& text, bool at_end) {
  while (!text.empty() && !string_over_) {
    const auto plain = std::min(text.find_first_of("\"\\"), text.size());
    decoded_ += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty())
      return;
    if (take(text, "\"")) {
      string_over_ = true;
      return;
    }
    const std::size_t length = text.size() > 1 && text[1] == 'u' ? 6 : 2;
    if (text.size() < length) {
      if (at_end)
        text = {};
      return;
    }
    const std::string escaped = "\"" + std::string(text.substr(0, length)) + "\"";
    const auto character = nlohmann::json::parse(escaped, nullptr, false);
    // Half a surrogate pair means the same one level deeper.
    decoded_ += character.is_string() ? character.get<std::string>() : text.substr(0, length);
    text.remove_prefix(length);
  }
}

CallBody::Step JsonCall::arguments(std::string_view& text, bool at_end, Writer& writer) {
  std::string piece;
  if (as_string_) {
    decode(text, at_end);
    std::string_view rest = decoded_;
    input_.read(rest, at_end || string_over_, piece);
    decoded_.erase(0, decoded_.size() - rest.size());
  } else {
    input_.read(text, at_end, piece);
  }
  if (!input_.complete() && !input_.broken() && !at_end && !string_over_) {
    writer.input(piece);
    return Step::more;
  }
  const bool cut = !input_.complete() && input_.in_string();
  input_.close(piece);
  writer.input(piece);
  writer.end_call(cut);
  state_ = as_string_ ? State::string_end : State::tail;
  return Step::done;
}

/// What the string of the arguments has behind them is nobody's.
CallBody::Step JsonCall::string_end(std::string_view& text, bool at_end) {
  decode(text, at_end);
  decoded_.clear();
  if (!string_over_ && !at_end)
    return Step::more;
  state_ = State::tail;
  return Step::done;
}

/// What stands behind the arguments in the call's objects.
CallBody::Step JsonCall::tail(std::string_view& text, bool at_end) {
  while (open_ > 0) {
    std::string_view rest = text;
    skip_blank(rest);
    if (rest.empty()) {
      if (!at_end)
        return Step::more;
      text = rest;
      break;
    }
    if (take(rest, "}")) {
      text = rest;
      --open_;
      continue;
    }
    if (!take(rest, ","))
      break; // brackets are missing
    const auto colon = find_near(rest, ":", kLongestCallKey, at_end);
    if (!colon)
      return Step::more;
    if (*colon == std::string_view::npos || !trim(rest).starts_with('"'))
      break;
    const auto key = unquoted(rest.substr(0, *colon));
    rest.remove_prefix(*colon + 1);
    std::string value;
    const Step step = whole_value(rest, at_end, {options_.closers, {}}, value);
    if (step == Step::more)
      return step;
    if (step == Step::no_call || !only_identifies(key, value))
      break;
    text = rest;
  }
  state_ = State::done;
  return Step::done;
}

bool JsonInput::read(std::string_view& text, bool at_end, Writer& writer) {
  std::string piece;
  json_.read(text, at_end, piece);
  if (!json_.complete() && !json_.broken() && !at_end) {
    writer.input(piece);
    return false;
  }
  const bool cut = !json_.complete() && json_.in_string();
  json_.close(piece);
  writer.input(piece);
  writer.end_call(cut);
  return true;
}

} // namespace anyclaude::answer
