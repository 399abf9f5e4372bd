#pragma once

#include "answer/answer_parser.h"
#include "anthropic/json_reader.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace anyclaude::answer {

using Blocks = std::vector<std::string>;

/// An answer as a client sees it: one line a block, such as "text:Hello" or "tool:name {…}".
struct Seen {
  Blocks blocks;
  bool called = false;
  bool cut = false;
  std::size_t input_deltas = 0;
  bool operator==(const Seen& other) const {
    return blocks == other.blocks && called == other.called && cut == other.cut;
  }

  std::vector<Json> inputs() const {
    std::vector<Json> found;
    for (const auto& block : blocks)
      if (block.starts_with("tool:")) {
        auto input = anthropic::read_json(std::string_view(block).substr(block.find(' ') + 1));
        found.push_back(input ? *input : Json("not JSON: " + input.error().to_string()));
      }
    return found;
  }
  std::string text() const {
    std::string all;
    for (const auto& block : blocks)
      if (block.starts_with("text:"))
        all += block.substr(5);
    return all;
  }
};

/// Gathers events, and looks that they are in an order that the API allows.
class Collector {
 public:
  void operator()(const AnswerParser::Events& events) {
    for (const auto& event : events) {
      if (const auto* text = std::get_if<anthropic::TextDelta>(&event)) {
        add("text:", text->text);
      } else if (const auto* thinking = std::get_if<anthropic::ThinkingDelta>(&event)) {
        add("thinking:", thinking->thinking);
      } else if (std::get_if<anthropic::ThinkingSignature>(&event)) {
        EXPECT_EQ(kind_, "thinking:");
        kind_.clear();
      } else if (const auto* start = std::get_if<anthropic::ToolUseStart>(&event)) {
        EXPECT_TRUE(start->id.starts_with("toolu_"));
        kind_.clear();
        add("tool:", start->name + " ");
      } else if (const auto* input = std::get_if<anthropic::ToolInputDelta>(&event)) {
        EXPECT_EQ(kind_, "tool:");
        add("tool:", input->partial_json);
        ++seen.input_deltas;
      } else {
        ADD_FAILURE() << "an event that is not the parser's";
      }
    }
  }
  Seen seen;

 private:
  void add(const std::string& kind, const std::string& text) {
    EXPECT_FALSE(text.empty());
    if (kind != kind_)
      seen.blocks.push_back(kind);
    kind_ = kind;
    seen.blocks.back() += text;
  }
  std::string kind_;
};

inline Seen read(const std::vector<std::string>& pieces, const Format& format,
                 bool turn_ended = true) {
  AnswerParser parser(format);
  Collector collect;
  for (const auto& piece : pieces)
    collect(parser.push(piece));
  collect(parser.finish(turn_ended));
  collect.seen.called = parser.called_tool();
  collect.seen.cut = parser.was_cut();
  return collect.seen;
}

inline Seen read(const std::string& text, const Format& format) {
  return read(std::vector{text}, format);
}

/// The characters of a text, one a piece.
inline std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> pieces;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !pieces.empty())
      pieces.back() += c;
    else
      pieces.emplace_back(1, c);
  return pieces;
}

inline std::shared_ptr<const ToolSet> tool_set(std::vector<ToolSpec> tools) {
  return std::make_shared<const ToolSet>(std::move(tools));
}

} // namespace anyclaude::answer
