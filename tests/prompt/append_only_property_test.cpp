#include "prompt/families.h"
#include "prompt/prompt_text.h"

#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <optional>

/// RC_PARAMS="max_success=5000" makes many more conversations than a quick run has.
///
/// Conversations with a client that does to them what Claude Code does: every prompt begins with
/// the prompt before and the tokens that were sampled for it.
namespace anyclaude::prompt {
namespace {

constexpr std::int32_t kTwice = 5000; // and the byte: a byte that stands twice

/// Merges bytes that stand twice in a row, so that what was sampled byte by byte shows when it is
/// rendered and tokenized again.
Tokenizer merging_tokenizer(const Family& family) {
  Tokenizer tokenizer = byte_tokenizer(family.controls);
  tokenizer.turn_ends = family.turn_ends;
  tokenizer.tokenize = [bytes = tokenizer.tokenize](std::string_view text, bool special) {
    std::vector<std::int32_t> merged;
    for (const std::int32_t token : bytes(text, special)) {
      if (!merged.empty() && merged.back() == token && token < 256)
        merged.back() += kTwice;
      else
        merged.push_back(token);
    }
    return merged;
  };
  return tokenizer;
}

rc::Gen<std::string> words() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                          "book ", "  ", "a\n\n", "see ", "<|im_end|>", "</s>", "ééé", "# H\n\n",
                          "ll", "Working directory: /home/eve\n\n", "2026-11-23 ", "\xEF\xB7\x91",
                          "{\"a\": ", "</think>")),
                      [](const auto& parts) {
                        std::string text = "w";
                        for (const std::string& part : parts)
                          text += part;
                        return text;
                      });
}

/// What a client sends of a block that it got.
Json returned(const anthropic::ContentBlock& block) {
  if (const auto* text = std::get_if<anthropic::TextBlock>(&block))
    return text_block(text->text);
  if (const auto* thinking = std::get_if<anthropic::ThinkingBlock>(&block))
    return {
        {"type", "thinking"}, {"thinking", thinking->thinking}, {"signature", thinking->signature}};
  const auto& call = std::get<anthropic::ToolUseBlock>(block);
  Json input = Json::object();
  for (const auto& [key, value] : nlohmann::json::parse(call.input.dump()).items()) {
    const bool is_number = value.is_string() && value == "5000";
    input[key] = is_number ? Json(5000) : Json(value);
  }
  if (call.name == "Edit")
    input["replace_all"] = false;
  return {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", input}};
}

/// One client's conversation with one builder.
class Conversation {
 public:
  Conversation(const Family& family, const PromptBuilder& builder)
      : controls_(family.controls), builder_(builder) {
    body_ = {
        {"model", "m"},
        {"max_tokens", 9},
        {"system",
         {text_block("x-anthropic-billing-header: " + *words()),
          text_block("Stable. " + *words() + "\n\nNotes: /home/ann/.claude/projects/-home-ann/")}},
        {"tools", Json::array()},
        {"messages", Json::array()}};
    for (const char* name : {"Agent", "Edit", "Bash", "mcp__a__b"})
      body_["tools"].push_back({{"name", name},
                                {"description", *words()},
                                {"input_schema", {{"type", "object"}}},
                                {"defer_loading", std::string_view(name) == "Agent"}});
    ask();
    if (*rc::gen::arbitrary<bool>())
      add("system", "# Environment\nWorking directory: /home/ann\n\n" + *words());
  }

  Json& messages() { return body_["messages"]; }

  /// Builds the prompt, and checks that it goes on where the last answer ended.
  std::optional<Prompt> build() {
    auto prompt = builder_.build(parsed_request(body_.dump()), tenant_);
    RC_ASSERT(prompt.has_value());
    return std::move(*prompt);
  }

  void check_goes_on(const Prompt& prompt) const {
    RC_ASSERT(prompt.tokens.size() >= known_.size());
    const auto parted = std::ranges::mismatch(known_, prompt.tokens);
    if (parted.in1 != known_.end()) {
      const auto from = std::max<std::ptrdiff_t>(0, parted.in1 - known_.begin() - 60);
      RC_FAIL("parts from the last turn:\n" + text({known_.begin() + from, known_.end()}) +
              "\nbecomes\n" + text({prompt.tokens.begin() + from, prompt.tokens.end()}));
    }
  }

  /// Samples an answer, and takes it into the conversation as the client does. The tokens are not
  /// those that the answer's blocks would be rendered as.
  void answer(Prompt prompt) {
    std::vector<anthropic::ContentBlock> blocks;
    std::string sampled_text = "<sampled " + *words();
    if (*rc::gen::arbitrary<bool>())
      blocks.emplace_back(anthropic::ThinkingBlock{"thought " + *words(), "signed"});
    if (*rc::gen::arbitrary<bool>())
      blocks.emplace_back(anthropic::TextBlock{"said " + *words()});
    const int calls = *rc::gen::inRange(blocks.empty() ? 1 : 0, 3);
    for (int i = 0; i < calls; ++i)
      blocks.emplace_back(
          anthropic::ToolUseBlock{"toolu_" + std::to_string(++ids_),
                                  *rc::gen::element<std::string>("Edit", "Bash"),
                                  {{"zz", *words()}, {"limit", "5000"}, {"aa", i}}});
    const std::vector<std::int32_t> sampled(sampled_text.begin(), sampled_text.end());
    RC_ASSERT(prompt.continuation.has_value());
    builder_.remember(*std::move(prompt.continuation), blocks, sampled);
    known_ = std::move(prompt.tokens);
    known_.append_range(sampled);

    Json content = Json::array();
    Json results = Json::array();
    for (const auto& block : blocks) {
      content.push_back(returned(block));
      if (content.back()["type"] == "tool_use")
        results.push_back({{"type", "tool_result"},
                           {"tool_use_id", content.back()["id"]},
                           {"content", result()}});
    }
    messages().push_back({{"role", "assistant"}, {"content", content}});
    if (results.empty())
      ask();
    else
      messages().push_back({{"role", "user"}, {"content", results}});
    if (*rc::gen::inRange(0, 4) == 0)
      add("system", "The date is now 2026-11-24.\n\n" + *words());
  }

  /// Changes one text of what was said before.
  void edit() {
    Json& message = messages()[*rc::gen::inRange<std::size_t>(0, messages().size())];
    message["content"] = Json::array({text_block("EDITED")});
  }

  std::string text(const std::vector<std::int32_t>& tokens) const {
    std::vector<std::int32_t> single;
    for (const std::int32_t token : tokens) {
      single.push_back(token < kTwice ? token : token - kTwice);
      if (token >= kTwice)
        single.push_back(token - kTwice);
    }
    return text_of(single, controls_);
  }

 private:
  static std::string new_tenant() {
    static int tenants = 0;
    return "tenant " + std::to_string(++tenants);
  }

  static Json result() {
    if (*rc::gen::inRange(0, 4) == 0)
      return Json::array({{{"type", "tool_reference"}, {"tool_name", "Agent"}}});
    return *words();
  }

  void add(const char* role, const std::string& text) {
    messages().push_back({{"role", role}, {"content", text}});
  }

  /// As a list of blocks, or as the string that it becomes later.
  void ask() {
    if (*rc::gen::arbitrary<bool>())
      add("user", *words());
    else
      messages().push_back(
          {{"role", "user"},
           {"content",
            {text_block("<system-reminder>x</system-reminder>"), text_block(*words())}}});
  }

  std::vector<std::string> controls_;
  const PromptBuilder& builder_;
  const std::string tenant_ = new_tenant();
  Json body_;
  std::vector<std::int32_t> known_; // the last prompt and its answer
  int ids_ = 0;
};

class AppendOnly : public testing::TestWithParam<Family> {
 protected:
  const PromptBuilder builder_{*ChatTemplate::parse(GetParam().source, "", ""),
                               merging_tokenizer(GetParam())};
};

TEST_P(AppendOnly, PropertyEveryPromptBeginsWithTheOneBefore) {
  const bool held = rc::check("every prompt begins with the one before", [&] {
    Conversation conversation(GetParam(), builder_);
    const int turns = *rc::gen::inRange(2, 7);
    for (int turn = 0; turn < turns; ++turn) {
      auto prompt = conversation.build();
      conversation.check_goes_on(*prompt);
      conversation.answer(*std::move(prompt));
    }
  });
  EXPECT_TRUE(held);
}

TEST_P(AppendOnly, PropertyAnEditIsRendered) {
  const bool held = rc::check("what was edited is in the prompt, and two builds are equal", [&] {
    Conversation conversation(GetParam(), builder_);
    for (int turn = 0; turn < 3; ++turn)
      conversation.answer(*conversation.build());
    conversation.edit();
    const auto once = conversation.build();
    const auto again = conversation.build();
    RC_ASSERT(once->tokens == again->tokens);
    RC_ASSERT(conversation.text(once->tokens).contains("EDITED"));
  });
  EXPECT_TRUE(held);
}

INSTANTIATE_TEST_SUITE_P(Templates, AppendOnly, testing::ValuesIn(families()),
                         [](const auto& family) {
                           std::string name = family.param.name;
                           std::erase(name, '-');
                           return name;
                         });

} // namespace
} // namespace anyclaude::prompt
