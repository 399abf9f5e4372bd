// A model's answer of any family: wherever it is cut, it is the same blocks, and every call's input
// is a JSON object.
#include "answer/answer_parser.h"
#include "anthropic/json_reader.h"
#include "fuzz/fuzzing.h"
#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using namespace anyclaude;
using fuzz::require;

answer::Format format_of(unsigned family, unsigned choice) {
  answer::Format format;
  format.dialect.family = answer::kFamilies[family % std::size(answer::kFamilies)];
  format.dialect.older = (choice & 1) != 0;
  if (format.dialect.family == answer::Family::invoke && (choice & 2) != 0) {
    format.dialect.tag_prefix = "｜DSML｜";
    format.dialect.wrapper = "function_calls";
  }
  format.opens_thinking = (choice & 4) != 0;
  format.show_thinking = (choice & 8) == 0;
  static const auto kSchema = Json::parse(R"({"type": "object", "properties": {
    "path": {"type": "string"}, "count": {"type": "integer"}, "flag": {"type": "boolean"},
    "list": {"type": "array"}, "any": {}, "maybe": {"type": ["string", "null"]}}})");
  static const auto kTools = std::make_shared<const answer::ToolSet>(
      std::vector<answer::ToolSpec>{{"Write", kSchema}, {"Bash", kSchema}});
  if ((choice & 16) == 0)
    format.tools = kTools;
  return format;
}

/// The blocks of an answer, as text.
class Blocks {
 public:
  void take(const answer::AnswerParser::Events& events) {
    for (const auto& event : events) {
      if (const auto* text = std::get_if<anthropic::TextDelta>(&event)) {
        piece("text", text->text);
      } else if (const auto* thinking = std::get_if<anthropic::ThinkingDelta>(&event)) {
        piece("thinking", thinking->thinking);
      } else if (std::get_if<anthropic::ThinkingSignature>(&event)) {
        require(kind_ == "thinking");
        kind_.clear();
      } else if (const auto* start = std::get_if<anthropic::ToolUseStart>(&event)) {
        end_block();
        kind_ = "call";
        said_ += "\ncall " + start->name + " ";
      } else {
        const auto* input = std::get_if<anthropic::ToolInputDelta>(&event);
        require(input != nullptr && kind_ == "call");
        input_ += input->partial_json;
      }
    }
  }
  std::string finish() {
    end_block();
    require(text::to_valid_utf8(said_) == said_);
    return std::move(said_);
  }

 private:
  void piece(std::string_view kind, std::string_view text) {
    require(!text.empty());
    if (kind_ != kind) {
      end_block();
      said_ += "\n" + std::string(kind) + " ";
    }
    kind_ = kind;
    said_ += text;
  }
  void end_block() {
    if (kind_ == "call") {
      const auto input = anthropic::read_json(input_);
      require(input && input->is_object());
      said_ += std::exchange(input_, {});
    }
    kind_.clear();
  }

  std::string kind_; // of the open block
  std::string input_;
  std::string said_;
};

std::string read(const std::vector<std::string>& pieces, const answer::Format& format,
                 bool turn_ended) {
  answer::AnswerParser parser(format);
  Blocks blocks;
  for (const std::string& piece : pieces)
    blocks.take(parser.push(piece));
  blocks.take(parser.finish(turn_ended));
  return blocks.finish() + (parser.called_tool() ? "\ncalled" : "") +
         (parser.was_cut() ? "\ncut" : "");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const unsigned family = input.byte();
  const unsigned choice = input.byte();
  const unsigned seed = input.byte();
  // Whole characters come, as the engine's thread passes them on.
  text::Utf8Splitter splitter;
  std::vector<std::string> pieces;
  std::string whole;
  for (const std::string_view piece : fuzz::cut(input.rest(), seed))
    whole += pieces.emplace_back(splitter.push(piece));
  whole += pieces.emplace_back(splitter.finish());
  const answer::Format format = format_of(family, choice);
  const bool turn_ended = (choice & 32) == 0;
  require(read({whole}, format, turn_ended) == read(pieces, format, turn_ended));
  return 0;
}
