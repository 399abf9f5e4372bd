#include "answer/answer_parser.h"

namespace anyclaude::answer {

AnswerParser::AnswerParser(const Format& format)
    : writer_(format),
      reader_(format.dialect.family == Family::harmony ? make_harmony_reader(format)
                                                       : make_text_reader(format)) {}

void AnswerParser::advance(bool at_end) {
  std::string_view text = buffer_;
  while (reader_->advance(text, at_end, writer_)) {
  }
  buffer_.erase(0, buffer_.size() - text.size());
}

AnswerParser::Events AnswerParser::push(std::string_view text) {
  buffer_ += text;
  advance(false);
  return writer_.take();
}

AnswerParser::Events AnswerParser::finish(bool turn_ended) {
  advance(true);
  writer_.finish(turn_ended);
  return writer_.take();
}

} // namespace anyclaude::answer
