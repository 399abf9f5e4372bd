// From tokens to the text that a client sees, and why an answer ends.
#include "engine/scheduler.h"
#include "engine/simulation.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

constexpr int kPrompt = 12;

/// A simulation whose answers are `said`, token by token.
class Saying : public Simulation {
 public:
  explicit Saying(std::vector<Token> said) : Simulation({}) {
    decoder.answer = [said = std::move(said)](std::span<const Token> context) {
      return said.at(context.size() - kPrompt);
    };
  }
  explicit Saying(std::string_view text)
      : Saying(bytes(text) + std::vector{FakeDecoder::kEndOfTurn}) {}
};

Job question(int max_tokens = 1000) {
  return job_of(words(0, kPrompt), max_tokens);
}

TEST(SchedulerText, EndsAtTheEndOfTheTurn) {
  Saying simulation("Yes.");
  const Heard& heard = simulation.run(question());
  EXPECT_EQ(heard.text(), "Yes.");
  EXPECT_EQ(heard.ended->reason, EndReason::end_of_turn);
  EXPECT_EQ(heard.ended->output_tokens, 5); // the token that ends the turn included
  EXPECT_EQ(heard.ended->sampled.size(), 5U);
}

TEST(SchedulerText, EndsAtMaxTokens) {
  Saying simulation("abcdefgh");
  const Heard& heard = simulation.run(question(3));
  EXPECT_EQ(heard.text(), "abc");
  EXPECT_EQ(heard.ended->reason, EndReason::max_tokens);
  EXPECT_EQ(heard.ended->output_tokens, 3);
}

TEST(SchedulerText, FindsAStopSequenceAcrossTokens) {
  Saying simulation("one STOP two");
  Job job = question();
  job.stop_sequences = {"nothing", "STOP"};
  const Heard& heard = simulation.run(std::move(job));
  EXPECT_EQ(heard.text(), "one ");
  EXPECT_EQ(heard.ended->reason, EndReason::stop_sequence);
  EXPECT_EQ(heard.ended->stop_sequence, "STOP");
  EXPECT_EQ(heard.ended->output_tokens, 8); // nothing was computed behind it
}

TEST(SchedulerText, GivesBackWhatOnlyBeganAStopSequence) {
  Saying simulation("one STO");
  Job job = question();
  job.stop_sequences = {"STOP"};
  const Heard& heard = simulation.run(std::move(job));
  EXPECT_EQ(heard.text(), "one STO");
  EXPECT_EQ(heard.pieces, (std::vector<std::string>{"o", "n", "e", " ", "STO"}));
  EXPECT_EQ(heard.ended->reason, EndReason::end_of_turn);
}

TEST(SchedulerText, GivesWholeCharactersWhateverTheTokens) {
  Saying simulation("a\xC3\xA9\xF0\x9F\x98\x80z"); // é and 😀, a token for each byte
  const Heard& heard = simulation.run(question());
  EXPECT_EQ(heard.pieces, (std::vector<std::string>{"a", "\xC3\xA9", "\xF0\x9F\x98\x80", "z"}));
}

TEST(SchedulerText, ReplacesACharacterThatStaysUnfinished) {
  Saying simulation("a\xF0\x9F");
  EXPECT_EQ(simulation.run(question()).text(), "a\xEF\xBF\xBD");
  Saying cut("a\xF0\x9F\x98\x80");
  const Heard& heard = cut.run(question(3));
  EXPECT_EQ(heard.text(), "a\xEF\xBF\xBD");
  EXPECT_EQ(heard.ended->reason, EndReason::max_tokens);
}

TEST(SchedulerText, ShowsOnlyTheControlTokensThatWereAskedFor) {
  const auto said = bytes("a") + std::vector{FakeDecoder::kHidden, FakeDecoder::kToolCall} +
                    bytes("b") + std::vector{FakeDecoder::kEndOfTurn};
  Saying plain(said);
  EXPECT_EQ(plain.run(question()).text(), "ab");
  Saying marked(said);
  Job job = question();
  job.visible_control = {FakeDecoder::kToolCall};
  const Heard& heard = marked.run(std::move(job));
  EXPECT_EQ(heard.text(), "a<tool_call>b");
  EXPECT_EQ(heard.ended->output_tokens, 5); // hidden ones were drawn all the same
}

TEST(SchedulerText, AStopSequenceMayBeAVisibleControlToken) {
  Saying simulation(bytes("a") + std::vector{FakeDecoder::kToolCall} + bytes("b"));
  Job job = question();
  job.visible_control = {FakeDecoder::kToolCall};
  job.stop_sequences = {"<tool_call>"};
  const Heard& heard = simulation.run(std::move(job));
  EXPECT_EQ(heard.text(), "a");
  EXPECT_EQ(heard.ended->stop_sequence, "<tool_call>");
}

TEST(SchedulerText, AStopSequenceWinsOverMaxTokensAtTheSameToken) {
  Saying simulation("abEND");
  Job job = question(5);
  job.stop_sequences = {"END"};
  EXPECT_EQ(simulation.run(std::move(job)).ended->reason, EndReason::stop_sequence);
}

/// A client that asks again from within the last event finds what it has just been told.
TEST(SchedulerText, ThePrefixIsThereWhenTheEndIsTold) {
  Simulation simulation({});
  Job first = job_of(words(0, 300), 4);
  int reused = -1;
  first.on_event = [&](const JobEvent& event) {
    if (!std::holds_alternative<JobEnded>(event))
      return;
    Job second = job_of(words(0, 300), 1);
    second.on_event = [&](const JobEvent& e) {
      if (const auto* started = std::get_if<JobStarted>(&e))
        reused = started->prompt_tokens - started->computed;
    };
    EXPECT_TRUE(simulation.scheduler.add(2, std::move(second)));
  };
  ASSERT_TRUE(simulation.scheduler.add(1, std::move(first)));
  simulation.run();
  EXPECT_EQ(reused, 299);
}

} // namespace
} // namespace anyclaude::engine
