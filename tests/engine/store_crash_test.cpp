// A process that computes and stores is killed at any moment, again and again: the next one starts
// on what it left, and what is brought back gives the logits that computing gives.
#include "engine/logits.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

namespace anyclaude::engine {
namespace {

namespace fs = std::filesystem;

constexpr int kBlock = 64;                 // tokens
constexpr std::uint64_t kBudget = 4 << 20; // bytes: not enough for all conversations
constexpr int kTalks = 6;
/// Differences that batch shapes make are far below, those of other texts far above (blocks_test).
constexpr double kTolerance = 0.05;

/// An engine's inside over the store in `folder`.
struct Life {
  Life(const Model& model, const fs::path& folder) {
    ContextOptions context;
    context.context_tokens = 1280;
    context.batch_tokens = 256;
    context.sequences = 9;
    context.threads = 1;
    context.moves_blocks = true;
    auto made = LlamaDecoder::create(model, context);
    auto files = kv::BlockFiles::open(folder, "model");
    EXPECT_TRUE(made) << made.error();
    EXPECT_TRUE(files) << files.error();
    if (!made || !files)
      return;
    decoder = std::move(*made);
    store = std::make_unique<kv::BlockStore>(
        kv::BlockStoreOptions{.block_tokens = kBlock,
                              .memory_bytes = 2U << 20,
                              .disk_bytes = kBudget,
                              .salt = {},
                              .fingerprint = "model"},
        std::make_unique<kv::DiskTier>(std::move(*files), kv::DiskTierOptions{}));
    SchedulerOptions options;
    options.context_tokens = context.context_tokens;
    options.batch_tokens = context.batch_tokens;
    options.sequences = context.sequences - 1;
    options.max_running = 4;
    options.store = store.get();
    run = std::make_unique<LogitsRun>(*decoder, options);
  }

  const Answered& ask(unsigned talk, unsigned question) {
    auto prompt = random_words(talk % kTalks, 400 + 60 * static_cast<int>(talk % kTalks));
    const auto end = random_words(1000 + question, 20);
    prompt.insert(prompt.end(), end.begin(), end.end());
    const Answered& answered = run->ask("anna", std::move(prompt), 4);
    run->run();
    while (run->scheduler.work_while_idle()) {
    }
    return answered;
  }

  std::unique_ptr<LlamaDecoder> decoder;
  std::unique_ptr<kv::BlockStore> store;
  std::unique_ptr<LogitsRun> run;
};

constexpr const char* kFolder = "ANYCLAUDE_TEST_CRASH_FOLDER";
constexpr const char* kModel = "ANYCLAUDE_TEST_CRASH_MODEL";

/// Not a test but the process that is killed: it asks without end, and says a byte for each answer.
TEST(StoreCrash, DISABLED_Victim) {
  ASSERT_TRUE(std::getenv(kFolder) && std::getenv(kModel)) << "started by another test";
  const auto model = load_model(std::getenv(kModel));
  Life life(*model, std::getenv(kFolder));
  std::mt19937 random(static_cast<unsigned>(::getpid()));
  while (!HasFailure()) {
    life.ask(static_cast<unsigned>(random()), static_cast<unsigned>(random()));
    if (::write(STDOUT_FILENO, "\n", 1) != 1)
      return;
  }
}

pid_t start_victim(const fs::path& folder, int output) {
  ::setenv(kFolder, folder.c_str(), 1);
  ::setenv(kModel, random_model_file().c_str(), 1);
  const fs::path self = fs::read_symlink("/proc/self/exe");
  const pid_t child = ::fork();
  if (child != 0)
    return child;
  ::dup2(output, STDOUT_FILENO);
  ::execl(self.c_str(), self.c_str(), "--gtest_filter=StoreCrash.DISABLED_Victim",
          "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
  ::_exit(127);
}

/// Kills it somewhere within its next answers.
void kill_amid(const fs::path& folder, std::mt19937& random) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t child = start_victim(folder, pipe[1]);
  ::close(pipe[1]);
  auto answers = 1 + random() % 4;
  for (char byte = 0; answers > 0 && ::read(pipe[0], &byte, 1) == 1;)
    answers -= byte == '\n' ? 1 : 0;
  std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(pipe[0]);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
}

TEST(StoreCrash, WhatIsLeftGivesTheLogitsOfComputing) {
  const char* asked = std::getenv("ANYCLAUDE_KILLS");
  const int kills = asked ? std::atoi(asked) : 8;
  const demo::ScratchFolder scratch;
  const fs::path folder = scratch / "prefixes";
  const Reference reference(random_model());
  std::mt19937 random(5);
  std::uint64_t restored = 0;
  std::uint64_t evicted = 0;
  double most = 0;
  for (int kill = 0; kill < kills; ++kill) {
    ASSERT_NO_FATAL_FAILURE(kill_amid(folder, random)) << "kill " << kill;
    // What has a block's name is whole.
    std::size_t files = 0;
    std::uint64_t bytes = 0;
    for (const auto& model : kv::stored_models(folder))
      for (const auto& [file, size] : model.files) {
        ASSERT_TRUE(kv::read_block_file(file, nullptr, nullptr)) << file;
        ++files;
        bytes += size;
      }
    EXPECT_LE(bytes, kBudget);

    Life life(random_model(), folder);
    ASSERT_TRUE(life.store);
    EXPECT_EQ(life.store->stats().damaged, 0u);
    EXPECT_EQ(life.store->stats().disk_blocks, files) << "none is lost by starting";
    for (unsigned talk = 0; talk < 2; ++talk)
      life.ask(static_cast<unsigned>(random()), static_cast<unsigned>(kill));
    for (const Answered& answered : life.run->all)
      most = std::max(most, reference.distance(answered));
    ASSERT_LT(most, kTolerance) << "kill " << kill;
    restored += life.run->scheduler.stats().restored_tokens;
    evicted += life.store->stats().evicted;
  }
  EXPECT_GT(restored, 100u * static_cast<unsigned>(kills)); // or nothing was compared
  EXPECT_GT(evicted, 0u);
}

} // namespace
} // namespace anyclaude::engine
