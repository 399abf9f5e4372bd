// Answers as models of every family write them, mutated: whatever comes, every call's input is a
// JSON object, nothing depends on how the answer was cut into pieces, and no word is lost.
// ANYCLAUDE_FUZZ_ANSWERS sets how many (100,000 takes some minutes).
#include "answer/family_samples.h"
#include "answer/reading.h"
#include "rounds.h"
#include "text/utf8.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace anyclaude::answer {
namespace {

const Json kEveryType = Json::parse(R"({"type": "object", "properties": {
  "path": {"type": "string"}, "content": {"type": "string"}, "count": {"type": "integer"},
  "flag": {"type": "boolean"}, "list": {"type": "array"}, "any": {}, "maybe": {"type": ["string", "null"]}}})");

class Fuzzer {
 public:
  explicit Fuzzer(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(std::size_t of) { return below(of) == 0; }
  template <class C>
  auto pick(const C& from) {
    return *std::next(std::begin(from), static_cast<std::ptrdiff_t>(below(std::size(from))));
  }

  /// A word that is found again.
  std::string word() { return "wq" + std::to_string(1000 + below(9000)) + "x"; }

  std::string prose() {
    static const std::vector<std::string> kBits{" ", "\n",    "é ", "\"", "'",  "\\",
                                                "{", "}",     ", ", ": ", "<",  "</",
                                                "`", "日本 ", "[",  "]",  "🎉", "\t"};
    std::string out = word();
    for (std::size_t i = below(6); i > 0; --i)
      out += pick(kBits) + (chance(2) ? word() : "");
    return out + " " + word();
  }

  Json value(int depth = 0) {
    switch (below(depth > 2 ? 5 : 7)) {
    case 0:
      return prose();
    case 1:
      return word();
    case 2:
      return static_cast<int>(below(100)) - 50;
    case 3:
      return chance(2);
    case 4:
      return chance(2) ? Json() : Json(0.5);
    case 5: {
      Json list = Json::array();
      for (std::size_t i = below(3); i > 0; --i)
        list.push_back(value(depth + 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (std::size_t i = below(3); i > 0; --i)
        object[word()] = value(depth + 1);
      return object;
    }
    }
  }

  std::string answer(const Form& form) {
    std::vector<SampleCall> calls;
    for (std::size_t i = below(3); i > 0; --i) {
      SampleCall call{pick(std::vector<std::string>{"Write", "Bash", "nobody"}), Json::object()};
      for (const char* key : {"path", "content", "count", "flag", "list", "any", "maybe"})
        if (chance(2))
          call.arguments[key] = value();
      calls.push_back(std::move(call));
    }
    std::string text = chance(3) ? render_thinking(form, prose()) : "";
    return text + render(form, chance(2) ? prose() : "", calls, chance(3) ? prose() : "");
  }

  std::string mutated(std::string text, const Form& other) {
    for (std::size_t i = below(5); i > 0 && !text.empty(); --i) {
      const auto at = below(text.size());
      const auto length = std::min(below(chance(3) ? 40 : 3) + 1, text.size() - at);
      switch (below(6)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(below(text.size()), length));
        break;
      case 2:
        text.insert(at, pick(kMarkers));
        break;
      case 3:
        text[at] = pick(std::string("{}[]\"':,\\<>|/ \n\tnt0-e.\x80\xC3\xF0"));
        break;
      case 4:
        text.insert(at, answer(other));
        break;
      default:
        if (chance(2))
          text.resize(at);
      }
    }
    return text::to_valid_utf8(text);
  }

 private:
  static inline const std::vector<std::string> kMarkers{"<tool_call>",
                                                        "</tool_call>",
                                                        "<function=Write>",
                                                        "</function>",
                                                        "<parameter=content>",
                                                        "</parameter>",
                                                        "<arg_key>",
                                                        "</arg_key>",
                                                        "<arg_value>",
                                                        "</arg_value>",
                                                        "[TOOL_CALLS]",
                                                        "[ARGS]",
                                                        "[CALL_ID]",
                                                        "<｜tool▁calls▁begin｜>",
                                                        "<｜tool▁call▁begin｜>",
                                                        "<｜tool▁sep｜>",
                                                        "<｜tool▁call▁end｜>",
                                                        "<|channel|>",
                                                        "<|message|>",
                                                        "<|start|>assistant",
                                                        "<|end|>",
                                                        "<|call|>",
                                                        "<|tool_call>",
                                                        "<tool_call|>",
                                                        "<|\"|>",
                                                        "<think>",
                                                        "</think>",
                                                        "```json",
                                                        "```",
                                                        "{\"name\": \"Write\", \"arguments\": ",
                                                        "\"tool_calls\": [",
                                                        "<｜DSML｜invoke name=\"",
                                                        "<invoke name=\"Bash\">",
                                                        "<parameter name=\"any\">",
                                                        "call:",
                                                        "\\u12",
                                                        "\\ud83d",
                                                        "\\",
                                                        "}}}"};

  std::mt19937 random_;
};

bool behind_id(std::string_view before) {
  return before.substr(0, before.find_last_not_of(" \"") + 1).ends_with("\"id\":");
}

/// Those in another word's middle are left out, and identifiers: these may be lost.
std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  for (auto at = text.find("wq"); at != std::string_view::npos; at = text.find("wq", at + 1))
    if ((at == 0 || !std::isalnum(static_cast<unsigned char>(text[at - 1]))) &&
        !behind_id(text.substr(0, at)) && text.size() >= at + 7 && text[at + 6] == 'x' &&
        text.substr(at + 2, 4).find_first_not_of("0123456789") == std::string_view::npos)
      words.emplace(text.substr(at, 7));
  return words;
}

TEST(AnswerFuzz, NoCrashNoInvalidJsonNothingLost) {
  const auto count = static_cast<std::uint32_t>(rounds("ANYCLAUDE_FUZZ_ANSWERS", 3000));
  const auto forms = all_forms();
  std::size_t calls = 0;
  std::size_t texts = 0;
  for (std::uint32_t seed = 0; seed < count && !HasFailure(); ++seed) {
    Fuzzer fuzz(seed);
    const Form& form = forms[seed % forms.size()];
    Format format;
    format.dialect = form.dialect;
    format.tools = tool_set({{"Write", kEveryType}, {"Bash", kEveryType}});
    format.opens_thinking = fuzz.chance(8);
    const auto text = fuzz.mutated(fuzz.answer(form), fuzz.pick(forms));
    const auto pieces = characters(text);
    const Seen seen = read(text, format);
    ASSERT_EQ(seen.blocks, read(pieces, format).blocks) << form.name << " seed " << seed << "\n"
                                                        << text;
    for (const Json& input : seen.inputs())
      ASSERT_TRUE(input.is_object()) << form.name << " seed " << seed << "\n"
                                     << text << "\n"
                                     << input;
    std::string said;
    for (const auto& block : seen.blocks)
      said += block + "\n";
    for (const auto& word : words_of(text))
      ASSERT_TRUE(said.contains(word)) << word << " " << form.name << " seed " << seed << "\n"
                                       << text << "\n--- read as\n"
                                       << said;
    calls += seen.inputs().size();
    texts += seen.text().empty() ? 0 : 1;
  }
  EXPECT_GT(calls, count / 2); // the mutations leave calls to read
  EXPECT_GT(texts, count / 3);
}

} // namespace
} // namespace anyclaude::answer
