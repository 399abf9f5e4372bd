// gpt-oss: an answer is messages <|channel|>NAME<|message|>TEXT<|end|>, the next one begun by
// <|start|>assistant. The channel "analysis" is thinking, "final" and "commentary" are text; a
// message with to=functions.f is a call of f, with the recipient in front of the channel or behind
// it, ended by <|call|> (which ends the turn, as <|return|> does).
// Source: https://github.com/openai/openai-cookbook/blob/main/articles/openai-harmony.md
#include "answer/answer_reader.h"
#include "answer/json_call.h"
#include "answer/text_scan.h"

#include <optional>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kStart = "<|start|>";
constexpr std::string_view kChannel = "<|channel|>";
constexpr std::string_view kMessage = "<|message|>";
constexpr std::string_view kConstrain = "<|constrain|>";
constexpr std::string_view kEnds[] = {"<|end|>", "<|call|>", "<|return|>", kStart, kChannel};
constexpr std::string_view kWords[] = {"assistant", "analysis", "commentary",
                                       "final",     "json",     "code"};
constexpr std::string_view kFunctions = "functions.";
constexpr std::size_t kLongestHeader = 300; // bytes

/// The word behind `key` in a message's header, empty where there is none.
std::string_view word_behind(std::string_view header, std::string_view key) {
  const auto at = header.find(key);
  if (at == std::string_view::npos)
    return {};
  header.remove_prefix(at + key.size());
  return header.substr(0, header.find_first_of(" \n<"));
}

/// Whether a header has nothing in it but what belongs there.
bool is_header(std::string_view header) {
  while (!header.empty()) {
    if (kBlank.contains(header.front())) {
      header.remove_prefix(1);
    } else if (!take(header, kStart) && !take(header, kChannel) && !take(header, kConstrain)) {
      const auto word = header.substr(0, header.find_first_of(" \t\r\n<"));
      const bool known = std::ranges::contains(kWords, word) ||
                         (word.starts_with("to=") && is_tool_name(word.substr(3)));
      if (!known || word.empty())
        return false;
      header.remove_prefix(word.size());
    }
  }
  return true;
}

enum class HeaderIs { whole, unfinished, none };

/// Whether a text begins with a message's header, decided at the first character that is not one's.
/// `length` becomes its bytes up to <|message|>.
HeaderIs find_header(std::string_view text, bool at_end, std::size_t& length) {
  std::string_view rest = text;
  skip_blank(rest);
  bool begins = false;
  for (const auto first :
       {kStart, kChannel, std::string_view("to="), std::string_view("assistant")}) {
    begins = begins || rest.starts_with(first);
    if (may_become(rest, first, at_end))
      return HeaderIs::unfinished;
  }
  while (begins && !rest.empty() && text.size() - rest.size() < kLongestHeader) {
    length = text.size() - rest.size();
    if (rest.starts_with(kMessage))
      return is_header(text.substr(0, length)) ? HeaderIs::whole : HeaderIs::none;
    if (take(rest, kStart) || take(rest, kChannel) || take(rest, kConstrain))
      continue;
    if (rest.front() == '<') {
      const bool may = may_become(rest, kMessage, at_end) || may_become(rest, kStart, at_end) ||
                       may_become(rest, kChannel, at_end) || may_become(rest, kConstrain, at_end);
      return may ? HeaderIs::unfinished : HeaderIs::none;
    }
    const char c = rest.front();
    if (!is_tool_name(rest.substr(0, 1)) && c != ' ' && c != '\n' && c != '=')
      return HeaderIs::none;
    rest.remove_prefix(1);
  }
  return begins && rest.empty() && !at_end ? HeaderIs::unfinished : HeaderIs::none;
}

class HarmonyReader : public AnswerReader {
 public:
  explicit HarmonyReader(const Format& format) : tools_(format.tools != nullptr) {}

  bool advance(std::string_view& text, bool at_end, Writer& writer) override {
    switch (state_) {
    case State::header:
      return header(text, at_end, writer);
    case State::input:
      if (!input_->read(text, at_end, writer))
        return false;
      state_ = State::rest;
      return true;
    case State::rest:
      return rest(text, at_end, writer);
    case State::thinking:
    case State::text:
      break;
    }
    return body(text, at_end, writer);
  }

  bool thinks() const override { return state_ == State::thinking; }

 private:
  enum class State { header, thinking, text, input, rest };

  /// <|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>
  bool header(std::string_view& text, bool at_end, Writer& writer) {
    std::size_t message = 0;
    const HeaderIs found = find_header(text, at_end, message);
    if (found == HeaderIs::unfinished)
      return false;
    if (found == HeaderIs::none) { // an answer without channels
      take(text, kStart);
      take(text, kChannel);
      state_ = State::text;
      return true;
    }
    const auto head = text.substr(0, message);
    std::string_view behind = text.substr(message + kMessage.size());
    const auto recipient = word_behind(head, "to=");
    if (tools_ && !recipient.empty() && recipient != "user" && recipient != "assistant")
      return begin_call(recipient, text, behind, at_end, writer);
    text = behind;
    state_ = word_behind(head, kChannel) == "analysis" ? State::thinking : State::text;
    if (state_ == State::text)
      writer.paragraph();
    return true;
  }

  bool begin_call(std::string_view recipient, std::string_view& text, std::string_view behind,
                  bool at_end, Writer& writer) {
    std::string_view body = behind;
    skip_blank(body);
    const auto ends = [body](std::string_view end) { return body.starts_with(end); };
    const auto may_end = [&](std::string_view end) { return may_become(body, end, at_end); };
    if ((body.empty() && !at_end) || (!body.empty() && std::ranges::any_of(kEnds, may_end)))
      return false;
    const bool has_no_input = body.empty() || std::ranges::any_of(kEnds, ends);
    if (recipient.starts_with(kFunctions))
      recipient.remove_prefix(kFunctions.size());
    if (!has_no_input && !body.starts_with('{')) {
      // No JSON, as gpt-oss writes to tools of its own: shown, with whom it was for.
      writer.paragraph();
      writer.text("to=" + std::string(recipient) + ": ");
      text = behind;
      state_ = State::text;
      return true;
    }
    writer.begin_call(recipient);
    writer.input_begins(body);
    text = body;
    if (body.starts_with('{')) {
      input_.emplace(LenientJson::Syntax{{std::begin(kEnds), std::end(kEnds)}, {}});
      state_ = State::input;
    } else {
      writer.end_call();
      state_ = State::rest;
    }
    return true;
  }

  bool body(std::string_view& text, bool at_end, Writer& writer) {
    const auto [at, marker] = find_marker(text, kEnds, at_end);
    if (state_ == State::thinking)
      writer.think(text.substr(0, at));
    else
      writer.text(text.substr(0, at));
    text.remove_prefix(at);
    if (marker.empty())
      return false;
    if (state_ == State::thinking)
      writer.end_thinking();
    leave_message(text, marker);
    return true;
  }

  /// Behind a call's JSON: up to the message's end, what else is there is text.
  bool rest(std::string_view& text, bool at_end, Writer& writer) {
    const auto [at, marker] = find_marker(text, kEnds, at_end);
    writer.text(text.substr(0, at));
    text.remove_prefix(at);
    if (marker.empty())
      return false;
    leave_message(text, marker);
    return true;
  }

  void leave_message(std::string_view& text, std::string_view marker) {
    if (marker != kStart && marker != kChannel) // these are the next header's
      text.remove_prefix(marker.size());
    state_ = State::header;
  }

  bool tools_;
  State state_ = State::header;
  std::optional<JsonInput> input_;
};

} // namespace

std::unique_ptr<AnswerReader> make_harmony_reader(const Format& format) {
  return std::make_unique<HarmonyReader>(format);
}

} // namespace anyclaude::answer
