// A process that computes and stores is killed at any moment, again and again: the next one starts
// on what it left, and what is brought back gives the logits that computing gives.
#include "demo/gguf_file.h"
#include "engine/memory_kinds.h"
#include "kv/block_store.h"
#include "rounds.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
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

constexpr std::uint64_t kBudget = 4 << 20; // bytes: not enough for all conversations
constexpr int kTalks = 6;

constexpr Kind kAllKinds[] = {
    {"FullAttention", MemoryKind::full_attention, demo::Architecture::qwen3},
    kKinds[0],
    kKinds[1],
    kKinds[2]};

/// An engine's inside over the store in `folder`.
struct Life {
  Life(const Kind& kind, const Model& model, const fs::path& folder) {
    const bool checkpoints = kind.memory != MemoryKind::full_attention;
    SchedulerOptions options = options_of(1280);
    options.batch_tokens = 256;
    options.checkpoints = checkpoints;
    ContextOptions context;
    context.context_tokens = options.context_tokens;
    context.batch_tokens = options.batch_tokens;
    context.sequences = options.sequences;
    context.threads = 1;
    context.moves_blocks = true;
    auto made = LlamaDecoder::create(model, context);
    auto files = kv::BlockFiles::open(folder, kind.name);
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
                              .fingerprint = {},
                              .checkpoints = checkpoints},
        std::make_unique<kv::DiskTier>(std::move(*files), kv::DiskTierOptions{}));
    options.store = store.get();
    run = std::make_unique<LogitsRun>(*decoder, options);
  }
  ~Life() {
    run.reset();
    store.reset(); // writes what waits
  }

  void ask(unsigned talk, unsigned question) const {
    const int length = 400 + 60 * static_cast<int>(talk % kTalks);
    auto prompt = random_words(talk % kTalks, length) + random_words(1000 + question % 1000, 20);
    run->ask("anna", std::move(prompt), 4, {length, length + 16});
    run->run();
    while (run->scheduler.work_while_idle()) {
    }
  }

  std::unique_ptr<LlamaDecoder> decoder;
  std::unique_ptr<kv::BlockStore> store;
  std::unique_ptr<LogitsRun> run;
};

constexpr const char* kFolder = "ANYCLAUDE_TEST_CRASH_FOLDER";
constexpr const char* kModel = "ANYCLAUDE_TEST_CRASH_MODEL";
constexpr const char* kKind = "ANYCLAUDE_TEST_CRASH_KIND";

/// Not a test but the process that is killed: it asks without end, and says a byte for each answer.
TEST(StoreCrash, DISABLED_Victim) {
  ASSERT_TRUE(std::getenv(kFolder) && std::getenv(kModel)) << "started by another test";
  const auto model = load_model(std::getenv(kModel));
  const auto* kind = std::ranges::find(kAllKinds, std::string(std::getenv(kKind)), &Kind::name);
  const Life life(*kind, *model, std::getenv(kFolder));
  std::mt19937 random(static_cast<unsigned>(::getpid()));
  while (!HasFailure()) {
    life.ask(static_cast<unsigned>(random()), static_cast<unsigned>(random()));
    if (::write(STDOUT_FILENO, "\n", 1) != 1)
      return;
  }
}

pid_t start_victim(const Kind& kind, const fs::path& folder, int output) {
  ::setenv(kFolder, folder.c_str(), 1);
  ::setenv(kModel, random_model_file(kind.architecture).c_str(), 1);
  ::setenv(kKind, kind.name, 1);
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
void kill_amid(const Kind& kind, const fs::path& folder, std::mt19937& random) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t child = start_victim(kind, folder, pipe[1]);
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

class StoreCrashTest : public MemoryKindTest {};

TEST_P(StoreCrashTest, WhatIsLeftGivesTheLogitsOfComputing) {
  const int kills = rounds("ANYCLAUDE_KILLS", 4);
  const demo::ScratchFolder scratch;
  const fs::path folder = scratch / "prefixes";
  std::mt19937 random(5);
  std::uint64_t restored = 0;
  std::uint64_t evicted = 0;
  double most = 0;
  for (int kill = 0; kill < kills; ++kill) {
    ASSERT_NO_FATAL_FAILURE(kill_amid(GetParam(), folder, random)) << "kill " << kill;
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

    const Life life(GetParam(), *subject().model, folder);
    ASSERT_TRUE(life.store);
    EXPECT_EQ(life.store->stats().damaged, 0u);
    EXPECT_EQ(life.store->stats().disk_blocks, files) << "some were lost by starting";
    for (int talk = 0; talk < 2; ++talk)
      life.ask(static_cast<unsigned>(random()), static_cast<unsigned>(kill));
    most = std::max(most, subject().distance(*life.run));
    ASSERT_LT(most, subject().tolerance) << "kill " << kill;
    restored += life.run->scheduler.stats().restored_tokens;
    evicted += life.store->stats().evicted;
  }
  EXPECT_GT(restored, 50u * static_cast<unsigned>(kills)); // or nothing was compared
  if (GetParam().memory == MemoryKind::full_attention) {   // others store less
    EXPECT_GT(evicted, 0u);
  }
  std::printf("%d kills: %llu tokens restored, %llu blocks evicted, logits differ by %.2g at most "
              "(%.2g allowed, a wrong token makes %.2g)\n",
              kills, static_cast<unsigned long long>(restored),
              static_cast<unsigned long long>(evicted), most, subject().tolerance, subject().other);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoreCrashTest, testing::ValuesIn(kAllKinds),
                         [](const auto& kind) { return kind.param.name; });

} // namespace
} // namespace anyclaude::engine
