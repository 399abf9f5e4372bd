// Prompts with images whose embeddings come late, or not at all, over a decoder of plain arrays.
#include "demo/gguf_file.h"
#include "engine/simulation.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

/// One that is ready when the test says so.
class FakeImage : public ImageInput {
 public:
  FakeImage(int content, int count)
      : ImageInput(tokens_of(content, count), {}, true), embedding_(1, 1.0F) {}

  State state = State::coming;
  int wanted = 0;
  std::function<void(FakeImage&)> on_wait = [](FakeImage& image) { image.state = State::ready; };

  State want() override {
    ++wanted;
    return state;
  }
  void wait(std::chrono::milliseconds) override { on_wait(*this); }
  std::span<const float> embedding() const override {
    return state == State::ready ? std::span<const float>(embedding_) : std::span<const float>();
  }

 private:
  static std::vector<Token> tokens_of(int content, int count) {
    kv::ImageHash hash{};
    hash.front() = static_cast<std::uint8_t>(content);
    return kv::image_tokens(hash, count, count);
  }
  std::vector<float> embedding_;
};

SchedulerOptions pool_of(int cells = 1000) {
  SchedulerOptions options;
  options.context_tokens = cells;
  options.batch_tokens = 32;
  options.max_running = 4;
  options.sequences = 8;
  return options;
}

/// 40 words, the image, 10 words.
Job job_with(const std::shared_ptr<FakeImage>& image, int seed = 1, int max_tokens = 8) {
  Job job = job_of(words(seed, 40) + image->tokens() + words(seed + 1, 10), max_tokens);
  job.images.push_back({40, image});
  return job;
}

TEST(SchedulerImages, AnImageIsABatchOfItsOwnHoweverLarge) {
  Simulation simulation(pool_of());
  const auto image = std::make_shared<FakeImage>(1, 100);
  const Job job = job_with(image);
  EXPECT_EQ(simulation.run(job).text(), expected_text(job.prompt, 8));
  std::vector<std::size_t> sizes;
  for (const auto& batch : simulation.decoder.batches)
    sizes.push_back(batch.size());
  sizes.resize(4);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{32, 8, 100, 10}));
}

TEST(SchedulerImages, IsWantedAtOnceAndOthersGoOnMeanwhile) {
  Simulation simulation(pool_of());
  const auto image = std::make_shared<FakeImage>(1, 50);
  image->on_wait = [](FakeImage&) {}; // it takes its time
  const JobId with = simulation.add(job_with(image));
  const JobId other = simulation.add(job_of(words(7, 60)));
  while (!simulation.heard(other).over()) {
    ASSERT_TRUE(simulation.scheduler.step());
    simulation.scheduler.check();
  }
  EXPECT_GT(image->wanted, 0);
  EXPECT_FALSE(simulation.heard(with).started);
  EXPECT_EQ(simulation.heard(with).progress.back().done, 40); // the text in front of it
  image->state = ImageInput::State::ready;
  simulation.run();
  EXPECT_EQ(simulation.heard(with).text(), expected_text(job_with(image).prompt, 8));
}

TEST(SchedulerImages, OneThatFailsEndsItsRequestAlone) {
  Simulation simulation(pool_of());
  const auto image = std::make_shared<FakeImage>(1, 50);
  image->on_wait = [](FakeImage& one) { one.state = ImageInput::State::failed; };
  const JobId with = simulation.add(job_with(image));
  const JobId other = simulation.add(job_of(words(7, 60)));
  simulation.run();
  EXPECT_EQ(simulation.heard(with).failure,
            "the model's projector could not encode an image of the request");
  EXPECT_EQ(simulation.heard(other).text(), expected_text(words(7, 60), 8));
}

TEST(SchedulerImages, AReusedOneIsNotWanted) {
  Simulation simulation(pool_of());
  simulation.run(job_with(std::make_shared<FakeImage>(1, 50)));
  const auto again = std::make_shared<FakeImage>(1, 50);
  EXPECT_EQ(simulation.run(job_with(again)).reused(), 99);
  EXPECT_EQ(again->wanted, 0);
  const auto other = std::make_shared<FakeImage>(2, 50);
  EXPECT_EQ(simulation.run(job_with(other)).reused(), 40);
}

/// In a pool that is cut all the time, with answers beside, in both ways of dividing batches.
TEST(SchedulerImages, AnswersAreRightInASmallPool) {
  for (const bool checkpoints : {false, true})
    for (const bool separate : {false, true}) {
      SchedulerOptions options = pool_of(300);
      options.checkpoints = checkpoints;
      options.separate = separate;
      Simulation simulation(options);
      std::vector<std::pair<JobId, std::vector<Token>>> asked;
      for (int i = 0; i < 24; ++i) {
        Job job = job_with(std::make_shared<FakeImage>(i % 5, 20 + 10 * (i % 5)), i % 3, 12);
        job.boundaries = {40, 45}; // the second in the middle of an image
        auto prompt = job.prompt;
        asked.emplace_back(simulation.add(std::move(job)), std::move(prompt));
      }
      simulation.run();
      for (const auto& [id, prompt] : asked)
        EXPECT_EQ(simulation.heard(id).text(), expected_text(prompt, 12));
      EXPECT_GT(simulation.scheduler.stats().reused_tokens, 100U);
    }
}

TEST(SchedulerImages, TheStoreBringsBackWholeOnes) {
  kv::BlockStore store(
      {.block_tokens = 16, .memory_bytes = 1U << 20, .salt = {}, .fingerprint = {}});
  SchedulerOptions options = pool_of(300);
  options.store = &store;
  Simulation simulation(options);
  const auto first = job_with(std::make_shared<FakeImage>(1, 70));
  for (int round = 0; round < 2; ++round) {
    const auto image = std::make_shared<FakeImage>(1, 70);
    const Job job = job_with(image);
    EXPECT_EQ(simulation.run(job).text(), expected_text(job.prompt, 8));
    simulation.idle();
    store.check();
    EXPECT_EQ(image->wanted > 0, round == 0);
    EXPECT_EQ(simulation.run(job_of(words(5, 250))).text(), expected_text(words(5, 250), 8));
    simulation.idle(); // takes all the room
  }
  EXPECT_GE(simulation.scheduler.stats().restored_tokens, 110U);
}

/// Of a model with a state, over two lives with one disk.
TEST(SchedulerImages, ComeBackInFrontOfACheckpoint) {
  const demo::ScratchFolder scratch;
  for (int life = 0; life < 2; ++life) {
    auto files = kv::BlockFiles::open(scratch / "store", "model");
    ASSERT_TRUE(files) << files.error();
    kv::BlockStore store({.block_tokens = 16,
                          .memory_bytes = 1U << 20,
                          .disk_bytes = 1U << 20,
                          .salt = {},
                          .fingerprint = {},
                          .checkpoints = true},
                         std::make_unique<kv::DiskTier>(std::move(*files), kv::DiskTierOptions{}));
    SchedulerOptions options = pool_of(300);
    options.store = &store;
    options.checkpoints = true;
    Simulation simulation(options);
    const auto image = std::make_shared<FakeImage>(1, 70);
    Job job = job_with(image);
    job.boundaries = {45, 115}; // the first in the middle of the image, so in front of it
    EXPECT_EQ(simulation.run(job).text(), expected_text(job.prompt, 8));
    simulation.idle();
    store.check();
    EXPECT_EQ(store.stats().checkpoints, 2U);
    EXPECT_EQ(store.stats().blocks, 2U + 3); // the third block goes on to the image's end
    EXPECT_EQ(image->wanted > 0, life == 0);
    EXPECT_EQ(simulation.scheduler.stats().restored_tokens, life == 0 ? 0U : 115U);
  }
}

} // namespace
} // namespace anyclaude::engine
