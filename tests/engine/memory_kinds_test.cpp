// Models whose memory is not plain full attention: a fork of what they remember would be silently
// wrong, so they are computed from the start every time, and then they are right.
#include "engine/engine_client.h"
#include "engine/logits.h"
#include "engine/other_memory.h"

#include <gtest/gtest.h>

#include <ostream>

namespace anyclaude::engine {
namespace {

constexpr int kAnswer = 8; // tokens

struct Kind {
  const char* name;
  MemoryKind memory;
  std::filesystem::path (*write)();
};

std::ostream& operator<<(std::ostream& out, const Kind& kind) {
  return out << kind.name;
}

class MemoryKindTest : public testing::TestWithParam<Kind> {};

TEST_P(MemoryKindTest, IsAnsweredRightWithoutReuseAndSaysSo) {
  const auto path = GetParam().write();
  Engine engine(small_engine(path));
  const EngineStatus status = engine.wait_until_loaded();
  ASSERT_EQ(status.error, "");
  EXPECT_EQ(engine.model().facts().memory, GetParam().memory);
  EXPECT_FALSE(engine.reuses_prefixes());
  const auto prompt = random_words(1, 200);
  for (int i = 0; i < 3; ++i) {
    const Heard heard = ask(engine, job_for(prompt, 2));
    EXPECT_EQ(heard.failure, "");
    EXPECT_EQ(heard.reused(), 0);
  }
  wait_until_idle(engine);
  EXPECT_EQ(engine.stats().reused_tokens, 0U);
  EXPECT_EQ(engine.stats().computed_tokens, 600U);
  EXPECT_EQ(engine.stats().cells_used, 0U);
}

TEST_P(MemoryKindTest, GivesTheLogitsOfTheWholePrompt) {
  const auto model = load_model(GetParam().write());
  ASSERT_TRUE(model);
  const Reference reference(*model);
  // What batch shapes alone do, and that a wrong beginning would show.
  double noise = 0;
  double other = std::numeric_limits<double>::infinity();
  for (const int size : {30, 160}) {
    const auto text = random_words(static_cast<std::uint32_t>(size), size);
    const auto whole = reference.logits(text, kAnswer);
    for (const BatchShape& shape : {BatchShape{64}, {63}, {17}, {40, 5}})
      noise = std::max(noise, Reference::largest(whole, reference.logits(text, kAnswer, shape)));
    auto wrong = text;
    wrong[wrong.size() - kAnswer - 8] += 1;
    other = std::min(other, Reference::largest(whole, reference.logits(wrong, kAnswer)));
  }
  const double tolerance =
      3 * noise + 1e-6; // a state that is updated alike in all shapes has no noise
  ASSERT_GT(other, 5 * tolerance);

  for (const int cells : {4096, 512}) { // the smaller pool suspends
    SchedulerOptions scheduling;
    scheduling.context_tokens = cells;
    scheduling.batch_tokens = 64;
    scheduling.max_running = 6;
    scheduling.sequences = 6;
    scheduling.reuse = false;
    ContextOptions options;
    options.context_tokens = cells;
    options.batch_tokens = scheduling.batch_tokens;
    options.sequences = scheduling.sequences;
    options.threads = 1;
    const auto decoder = LlamaDecoder::create(*model, options);
    ASSERT_TRUE(decoder) << decoder.error();
    LogitsRun run(**decoder, scheduling);
    const auto beginning = random_words(1, 70);
    for (std::uint32_t i = 0; i < 9; ++i) {
      auto prompt = beginning;
      const auto more = random_words(10 + i % 8, 10); // two of them are equal
      prompt.insert(prompt.end(), more.begin(), more.end());
      run.ask("anna", std::move(prompt), cells < 4096 ? 4 * kAnswer : kAnswer);
    }
    run.run();
    run.ask("anna", run.all.front().conversation(), kAnswer);
    run.run();
    for (const Answered& answered : run.all) {
      EXPECT_EQ(answered.heard.failure, "");
      EXPECT_LT(reference.distance(answered), tolerance);
    }
    EXPECT_EQ(run.suspensions > 0, cells < 4096);
    EXPECT_EQ(run.scheduler.stats().reused_tokens, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, MemoryKindTest,
    testing::Values(Kind{"SlidingWindow", MemoryKind::sliding_window, write_sliding_window_model},
                    Kind{"Recurrent", MemoryKind::recurrent, write_recurrent_model},
                    Kind{"Hybrid", MemoryKind::hybrid, write_hybrid_model}),
    [](const auto& kind) { return kind.param.name; });

} // namespace
} // namespace anyclaude::engine
