#include "answer/answer_reader.h"
#include "answer/call_body.h"
#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

class TextReader : public AnswerReader {
 public:
  explicit TextReader(const Format& format)
      : dialect_(format.dialect), finder_(format.tools ? make_call_finder(format) : nullptr),
        state_(format.opens_thinking ? State::thinking : State::start) {}

  bool advance(std::string_view& text, bool at_end, Writer& writer) override {
    switch (state_) {
    case State::start:
      return start(text, at_end);
    case State::thinking:
      return think(text, at_end, writer);
    case State::text:
      return say(text, at_end, writer);
    case State::call:
      return call(text, at_end, writer);
    }
    return false;
  }

  bool thinks() const override { return state_ == State::thinking; }

 private:
  enum class State { start, thinking, text, call };

  /// Only here may thinking begin. A closing tag here ends thinking that the prompt has closed
  /// already: models that were told not to think write one at times.
  bool start(std::string_view& text, bool at_end) {
    std::string_view rest = text;
    skip_blank(rest);
    if (take(rest, dialect_.think_open)) {
      text = rest;
      state_ = State::thinking;
      return true;
    }
    if (take(rest, dialect_.think_close)) {
      text = rest;
      return true;
    }
    if (!at_end && (rest.empty() || may_become(rest, dialect_.think_open, at_end) ||
                    may_become(rest, dialect_.think_close, at_end)))
      return false;
    state_ = State::text;
    return true;
  }

  bool think(std::string_view& text, bool at_end, Writer& writer) {
    const std::string_view markers[] = {dialect_.think_close};
    const auto [at, marker] = find_marker(text, markers, at_end);
    writer.think(text.substr(0, at));
    text.remove_prefix(at + marker.size());
    if (marker.empty())
      return false;
    writer.end_thinking();
    state_ = State::start; // an empty block may follow a real one
    return true;
  }

  bool say(std::string_view& text, bool at_end, Writer& writer) {
    if (!finder_) {
      writer.text(text);
      text = {};
      return false;
    }
    auto opening = finder_->find(text, !writer.said_something(), at_end);
    writer.text(text.substr(0, opening.before));
    text.remove_prefix(opening.before);
    if (!opening.body)
      return false;
    marker_ = text.substr(0, opening.marker);
    text.remove_prefix(opening.marker);
    body_ = std::move(opening.body);
    state_ = State::call;
    return true;
  }

  bool call(std::string_view& text, bool at_end, Writer& writer) {
    switch (body_->read(text, at_end, writer)) {
    case CallBody::Step::more:
      return false;
    case CallBody::Step::done:
      state_ = State::text;
      return true;
    case CallBody::Step::no_call: // its opening, or its first character, is text then
      if (marker_.empty() && !text.empty()) {
        marker_ = text.substr(0, 1);
        text.remove_prefix(1);
      }
      writer.text(marker_);
      state_ = State::text;
      return true;
    }
    return false;
  }

  Dialect dialect_;
  std::unique_ptr<CallFinder> finder_;
  State state_;
  std::string marker_;
  std::unique_ptr<CallBody> body_;
};

} // namespace

std::unique_ptr<AnswerReader> make_text_reader(const Format& format) {
  return std::make_unique<TextReader>(format);
}

} // namespace anyclaude::answer
