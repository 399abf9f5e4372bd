// Models whose memory is not plain full attention. A fork of what they remember at any place but a
// checkpoint would be silently wrong, so all of this is judged by logits on random weights, against
// libllama computing the same text from its first token on.
#include "engine/engine_client.h"
#include "engine/memory_kinds.h"
#include "engine/reuse_check.h"

#include <gtest/gtest.h>

#include <fstream>

namespace anyclaude::engine {
namespace {

TEST_P(MemoryKindTest, TheComparisonHasTeeth) {
  ASSERT_TRUE(subject().model);
  EXPECT_EQ(subject().model->facts().memory, GetParam().memory);
  EXPECT_GT(subject().other, 5 * subject().tolerance);
}

TEST_P(MemoryKindTest, IsReusedAndSaysSo) {
  const demo::ScratchFolder cache;
  for (int start = 0; start < 2; ++start) { // the second finds the verdict of the first
    EngineOptions options = small_engine(random_model_file(GetParam().architecture));
    options.cache_folder = cache.path();
    options.keeps_prefixes = false; // or the second found the first's prompts too
    Engine engine(options);
    ASSERT_EQ(engine.wait_until_loaded().error, "");
    EXPECT_TRUE(engine.reuses_prefixes());
    const auto system = random_words(1, 200);
    const auto ask_behind = [&](std::uint32_t seed) {
      Job job = job_for(system + random_words(seed, 20), 2);
      job.boundaries = {200};
      return ask(engine, std::move(job));
    };
    EXPECT_EQ(ask_behind(2).reused(), 0);
    EXPECT_EQ(ask_behind(3).reused(), 200);
    wait_until_idle(engine);
    EXPECT_EQ(engine.stats().computed_tokens, 240U);
  }
  const auto verdicts = std::filesystem::directory_iterator(cache.path() / "reuse-check");
  EXPECT_EQ(std::ranges::distance(verdicts), 1);
}

TEST_P(MemoryKindTest, AVerdictAgainstReuseIsObeyed) {
  const demo::ScratchFolder cache;
  const auto start = [&] {
    EngineOptions options = small_engine(random_model_file(GetParam().architecture));
    options.cache_folder = cache.path();
    auto engine = std::make_unique<Engine>(options);
    EXPECT_EQ(engine->wait_until_loaded().error, "");
    return engine;
  };
  start();
  for (const auto& file : std::filesystem::directory_iterator(cache.path() / "reuse-check"))
    EXPECT_TRUE(write_verdict(file.path().parent_path(), file.path().filename(), {}));
  const auto engine = start();
  EXPECT_FALSE(engine->reuses_prefixes());
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(ask(*engine, job_for(random_words(1, 200), 2)).reused(), 0);
}

/// Conversations that share a beginning, at once and one after the other; follow-ups; forks in the
/// middle of what others have computed.
void ask_all_kinds(LogitsRun& run, int max_tokens) {
  for (std::uint32_t family = 0; family < 3; ++family) {
    const auto system = random_words(family, 90 + 11 * static_cast<int>(family));
    for (std::uint32_t i = 0; i < 3; ++i)
      run.ask("anna", system + random_words(10 + 3 * family + i, 15), max_tokens,
              {static_cast<int>(system.size())});
  }
  run.run();
  const std::vector<Answered> before(run.all.begin(), run.all.end());
  std::uint32_t seed = 100;
  for (const Answered& first : before) {
    ++seed;
    auto prompt = first.conversation();
    if (seed % 3 == 0)
      prompt.resize(prompt.size() - 20); // in the middle
    const int end = static_cast<int>(prompt.size());
    run.ask(first.tenant, prompt + random_words(seed, 30), max_tokens, {40, 70, end});
  }
  run.run();
  for (const Answered& first : before) // where nothing but a checkpoint can be left by now
    run.ask(first.tenant,
            std::vector(first.prompt.begin(), first.prompt.begin() + 80) + random_words(++seed, 10),
            max_tokens);
  run.run();
}

TEST_P(MemoryKindTest, ReuseGivesTheLogitsOfTheWholePrompt) {
  const SchedulerOptions options = options_of(4096);
  const auto decoder = subject().decoder(options);
  LogitsRun run(*decoder, options);
  ask_all_kinds(run, kAnswer);
  EXPECT_GT(run.scheduler.stats().reused_tokens, 1500U);
  EXPECT_LT(subject().distance(run), subject().tolerance);
}

TEST_P(MemoryKindTest, ReuseIsExactUnderEvictionAndSuspension) {
  SchedulerOptions options = options_of(512);
  options.checkpoint_bytes = 2U << 20;
  const auto decoder = subject().decoder(options);
  LogitsRun run(*decoder, options);
  ask_all_kinds(run, 4 * kAnswer);
  EXPECT_GT(run.suspensions, 0);
  EXPECT_GT(run.scheduler.stats().evicted_tokens, 300U);
  EXPECT_GT(run.scheduler.stats().reused_tokens, 300U);
  EXPECT_LT(subject().distance(run), subject().tolerance);
}

TEST_P(MemoryKindTest, WithoutReuseEveryPromptIsComputed) {
  for (const int cells : {4096, 512}) { // the smaller pool suspends
    SchedulerOptions options = options_of(cells);
    options.reuse = false;
    const auto decoder = subject().decoder(options);
    LogitsRun run(*decoder, options);
    ask_all_kinds(run, cells < 4096 ? 4 * kAnswer : kAnswer);
    for (const Answered& answered : run.all)
      EXPECT_EQ(answered.heard.failure, "");
    EXPECT_LT(subject().distance(run), subject().tolerance);
    EXPECT_EQ(run.suspensions > 0, cells < 4096);
    EXPECT_EQ(run.scheduler.stats().reused_tokens, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, MemoryKindTest, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST(ReuseVerdictFile, IsReadAsItWasWritten) {
  const demo::ScratchFolder folder;
  EXPECT_FALSE(read_verdict(folder.path(), "none"));
  ASSERT_TRUE(write_verdict(folder.path() / "made", "key", {true, 0.25, 0.5, 2}));
  const auto verdict = read_verdict(folder.path() / "made", "key");
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->exact);
  EXPECT_EQ(verdict->difference, 0.25);
  EXPECT_EQ(verdict->other, 2);
  std::ofstream(folder.path() / "damaged") << "anyclaude-reuse-check-1 yes";
  EXPECT_FALSE(read_verdict(folder.path(), "damaged"));
}

} // namespace
} // namespace anyclaude::engine
