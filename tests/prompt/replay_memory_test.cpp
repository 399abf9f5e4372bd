#include "prompt/conversation_keys.h"
#include "prompt/prompt_text.h"
#include "prompt/replay_memory.h"

#include <nlohmann/json.hpp>

namespace anyclaude::prompt {
namespace {

ReplayTurn turn_of(std::vector<std::int32_t> tokens,
                   std::shared_ptr<const ReplayTurn> parent = {}) {
  const std::size_t before = parent ? parent->end : 0;
  const int boundary = static_cast<int>(before);
  const std::size_t end = before + tokens.size();
  return {.parent = std::move(parent),
          .tokens = std::move(tokens),
          .boundaries = {boundary},
          .end = end};
}

TEST(ConversationHash, TellsPiecesApart) {
  ConversationHash one;
  one.add("ab");
  one.add("c");
  ConversationHash other;
  other.add("a");
  other.add("bc");
  EXPECT_NE(one.key(), other.key());
  ConversationHash copy = one;
  EXPECT_EQ(copy.key(), one.key());
  copy.add("d");
  EXPECT_NE(copy.key(), one.key());
}

TEST(ReplayMemory, KeepsAWholeConversationInItsTurns) {
  ReplayMemory memory;
  memory.remember(key_of(1), turn_of({1, 2}));
  memory.remember(key_of(2), turn_of({3}, memory.find(key_of(1))));
  const auto turn = memory.find(key_of(2));
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->all_tokens(), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(turn->all_boundaries(), (std::vector<int>{0, 2}));
  EXPECT_FALSE(memory.find(key_of(3)));
}

TEST(ReplayMemory, ForgetsWhatWasNotUsedForLongest) {
  ReplayMemory memory(3000);
  for (int i = 0; i < 100; ++i) {
    memory.remember(key_of(i), turn_of(std::vector<std::int32_t>(50)));
    EXPECT_LE(memory.bytes(), 3000U);
    EXPECT_TRUE(memory.find(key_of(0))) << i; // used all the time
  }
  EXPECT_FALSE(memory.find(key_of(1)));
  EXPECT_TRUE(memory.find(key_of(99)));
}

TEST(ReplayMemory, CountsTurnsThatOnlyLaterOnesHold) {
  ReplayMemory memory(10'000);
  memory.remember(key_of(0), turn_of(std::vector<std::int32_t>(1000)));
  for (int i = 1; i < 200; ++i)
    memory.remember(key_of(i), turn_of({1}, memory.find(key_of(i - 1))));
  EXPECT_LE(memory.bytes(), 10'000U);
}

class Replay : public testing::Test {
 protected:
  Prompt build(const std::string& messages, const std::string& tenant = "ann") {
    auto built = builder_.build(
        parsed_request(R"({"model":"m","max_tokens":9,"messages":[)" + messages + "]}"), tenant);
    EXPECT_TRUE(built);
    return *std::move(built);
  }
  /// Answers `messages` with a text whose tokens are nothing that it would be rendered as.
  std::vector<std::int32_t> answer(const std::string& messages, const std::string& text) {
    Prompt prompt = build(messages);
    std::vector<std::int32_t> all = prompt.tokens;
    const std::vector<anthropic::ContentBlock> blocks{anthropic::TextBlock{text}};
    builder_.remember(*std::move(prompt.continuation), blocks, kSampled);
    all.append_range(kSampled);
    return all;
  }
  static bool begins(const Prompt& prompt, const std::vector<std::int32_t>& with) {
    return std::ranges::starts_with(prompt.tokens, with);
  }

  const std::vector<std::int32_t> kSampled{7, 7, 7};
  PromptBuilder builder_{*ChatTemplate::parse(kQwenLikeTemplate, "", ""), [] {
                           Tokenizer tokenizer = byte_tokenizer();
                           tokenizer.turn_ends = {"<|im_end|>"};
                           return tokenizer;
                         }()};
};

constexpr const char* kHi = R"({"role":"user","content":"Hi"})";
constexpr const char* kHello = R"(,{"role":"assistant","content":"Hello"})";
constexpr const char* kBye = R"(,{"role":"user","content":"Bye"})";

TEST_F(Replay, AnAnswerIsItsSampledTokens) {
  const auto known = answer(kHi, "Hello");
  const auto next = build(std::string(kHi) + kHello + kBye);
  EXPECT_TRUE(begins(next, known));
  EXPECT_EQ(next.tokens[known.size()], 1001); // the turn's end, rendered
  EXPECT_EQ(next.boundaries.size(), 3U);
}

TEST_F(Replay, AnotherTenantsAnswerIsRendered) {
  const auto known = answer(kHi, "Hello");
  EXPECT_FALSE(begins(build(std::string(kHi) + kHello + kBye, "bob"), known));
}

TEST_F(Replay, AnEditedAnswerIsRendered) {
  const auto known = answer(kHi, "Hello");
  EXPECT_FALSE(
      begins(build(std::string(kHi) + R"(,{"role":"assistant","content":"Hallo"})" + kBye), known));
}

TEST_F(Replay, AnAnswerBehindAnotherQuestionIsRendered) {
  answer(kHi, "Hello");
  const auto other = build(std::string(R"({"role":"user","content":"Ho"})") + kHello + kBye);
  EXPECT_FALSE(std::ranges::contains(other.tokens, 7));
}

TEST_F(Replay, AnAnswerToBeContinuedIsNotKept) {
  EXPECT_FALSE(build(std::string(kHi) + kHello).continuation);
}

} // namespace
} // namespace anyclaude::prompt
