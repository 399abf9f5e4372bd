// Models whose memory is not plain full attention, over two processes' lives with one disk: what
// the first computed, the second goes on from. Judged by logits on random weights, against libllama
// computing the same text from its first token on.
#include "demo/gguf_file.h"
#include "engine/engine_client.h"
#include "engine/memory_kinds.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace anyclaude::engine {
namespace {

class MemoryKindRestartTest : public MemoryKindTest {
 protected:
  struct Life {
    std::unique_ptr<kv::BlockStore> store;
    std::unique_ptr<LlamaDecoder> decoder;
    std::optional<LogitsRun> run;
    ~Life() {
      run.reset();
      store.reset(); // writes what waits
    }
  };

  /// A process's: its pool is empty, and the disk is what the ones before left behind.
  std::unique_ptr<Life> begin(int cells = 4096) {
    auto life = std::make_unique<Life>();
    auto files = kv::BlockFiles::open(scratch_ / "store", GetParam().name);
    EXPECT_TRUE(files) << files.error();
    life->store = std::make_unique<kv::BlockStore>(
        kv::BlockStoreOptions{.block_tokens = kBlock,
                              .memory_bytes = 64U << 20,
                              .disk_bytes = 64U << 20,
                              .salt = {},
                              .fingerprint = {},
                              .checkpoints = true},
        std::make_unique<kv::DiskTier>(std::move(*files), kv::DiskTierOptions{}));
    SchedulerOptions options = options_of(cells);
    options.store = life->store.get();
    ContextOptions context;
    context.context_tokens = options.context_tokens;
    context.batch_tokens = options.batch_tokens;
    context.sequences = options.sequences;
    context.threads = 1;
    context.moves_blocks = true;
    auto made = LlamaDecoder::create(*subject().model, context);
    EXPECT_TRUE(made) << made.error();
    life->decoder = std::move(*made);
    life->run.emplace(*life->decoder, options);
    return life;
  }

  static void idle(Life& life) {
    life.run->run();
    while (life.run->scheduler.work_while_idle())
      life.run->scheduler.check();
  }

 private:
  demo::ScratchFolder scratch_;
};

TEST_P(MemoryKindRestartTest, WhatWasComputedComesBackExactly) {
  const auto system = random_words(1, 230);
  std::vector<std::vector<Token>> talks;
  {
    const auto life = begin();
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto prompt = system + random_words(10 + i, 70 + static_cast<int>(i));
      life->run->ask("anna", prompt, kAnswer, {230, static_cast<int>(prompt.size()) - 4});
      idle(*life);
      talks.push_back(life->run->all.back().conversation());
    }
    EXPECT_GE(life->store->stats().checkpoints, 4u);
    life->store->check();
  }
  const auto life = begin();
  std::uint32_t seed = 50;
  for (const auto& talk : talks) // each goes on, side by side
    life->run->ask("anna", talk + random_words(++seed, 25), kAnswer,
                   {230, static_cast<int>(talk.size())});
  idle(*life);
  life->run->ask("anna", system + random_words(99, 40), kAnswer, {230});
  idle(*life);
  const auto stats = life->run->scheduler.stats();
  EXPECT_GE(stats.restored_tokens, 3u * 290);
  for (const Answered& answered : life->run->all)
    EXPECT_GE(answered.heard.reused(), 230);
  EXPECT_LT(subject().distance(*life->run), subject().tolerance);
  life->run->ask("bert", system + random_words(99, 40), kAnswer, {230});
  idle(*life);
  EXPECT_EQ(life->run->all.back().heard.reused(), 0);
}

TEST_P(MemoryKindRestartTest, IsExactWhereThePoolIsSmall) {
  const auto system = random_words(1, 150);
  for (int round = 0; round < 3; ++round) {
    const auto life = begin(640);
    for (std::uint32_t i = 0; i < 6; ++i)
      life->run->ask("anna", system + random_words(10 + i % 4, 90), 2 * kAnswer, {150, 200});
    idle(*life);
    if (round > 0) {
      EXPECT_GE(life->run->scheduler.stats().restored_tokens, 150u);
    }
    EXPECT_LT(subject().distance(*life->run), subject().tolerance);
  }
}

TEST_P(MemoryKindRestartTest, TheEngineKeepsItOnTheDisk) {
  const demo::ScratchFolder cache;
  const auto system = random_words(1, 600);
  for (int start = 0; start < 2; ++start) {
    EngineOptions options = small_engine(random_model_file(GetParam().architecture));
    options.cache_folder = cache.path();
    Engine engine(options);
    ASSERT_EQ(engine.wait_until_loaded().error, "");
    Job job = job_for(system + random_words(static_cast<std::uint32_t>(2 + start), 20), 2);
    job.boundaries = {600};
    EXPECT_EQ(ask(engine, std::move(job)).reused(), start == 0 ? 0 : 600);
    wait_until_idle(engine);
    EXPECT_TRUE(wait_until_stored(engine));
    EXPECT_EQ(engine.stats().store.written > 0, start == 0); // the next one leaves no checkpoint
    EXPECT_FALSE(is_store_inert(engine.stats()));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, MemoryKindRestartTest, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

} // namespace
} // namespace anyclaude::engine
