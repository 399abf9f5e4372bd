// Prefixes of models that go on from checkpoints, kept on a disk: over a decoder of plain arrays
// whose cells and states know what they depend on.
#include "demo/gguf_file.h"
#include "engine/any_prompts.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

namespace anyclaude::engine {
namespace {

/// One process after the other: each has a pool of its own, and the disk stays.
class Lives {
 public:
  Simulation& begin(int cells = 1000, std::uint64_t disk_bytes = 1U << 20) {
    simulation_.reset();
    store_.reset(); // writes what waits
    auto files = kv::BlockFiles::open(scratch_ / "store", "model");
    EXPECT_TRUE(files) << files.error();
    store_ = std::make_unique<kv::BlockStore>(
        kv::BlockStoreOptions{.block_tokens = kSmallBlock,
                              .memory_bytes = 1U << 20,
                              .disk_bytes = disk_bytes,
                              .salt = {},
                              .fingerprint = {},
                              .checkpoints = true},
        std::make_unique<kv::DiskTier>(std::move(*files), kv::DiskTierOptions{}));
    SchedulerOptions options;
    options.context_tokens = cells;
    options.batch_tokens = 64;
    options.max_running = 4;
    options.sequences = 8;
    options.checkpoints = true;
    options.store = store_.get();
    return simulation_.emplace(options);
  }
  kv::BlockStore& store() { return *store_; }
  std::filesystem::path folder() const { return scratch_ / "store"; }

 private:
  demo::ScratchFolder scratch_;
  std::unique_ptr<kv::BlockStore> store_;
  std::optional<Simulation> simulation_;
};

/// Asks, and idles behind it.
const Heard& ask(Simulation& simulation, const std::vector<Token>& prompt,
                 std::vector<int> boundaries = {}, int max_tokens = 4) {
  const Heard& heard = simulation.run(with_ends(job_of(prompt, max_tokens), std::move(boundaries)));
  EXPECT_EQ(heard.text(), expected_text(prompt, max_tokens));
  simulation.idle();
  return heard;
}

TEST(SchedulerCheckpointStore, APrefixComesBackInTheNextLife) {
  Lives lives;
  const auto system = words(1, 200);
  ask(lives.begin(), system + words(2, 100), {200, 280});
  EXPECT_EQ(lives.store().stats().checkpoints, 2u);
  EXPECT_EQ(lives.store().stats().blocks, 2u + 280 / kSmallBlock);

  Simulation& next = lives.begin();
  const Heard same = ask(next, system + words(2, 100) + words(3, 40), {200, 280, 310});
  EXPECT_EQ(same.reused(), 280);
  EXPECT_EQ(next.decoder.computed, 60u + 3);
  EXPECT_EQ(next.scheduler.stats().restored_tokens, 280u);
  EXPECT_EQ(ask(lives.begin(), system + words(4, 50), {200}).reused(), 200);
}

TEST(SchedulerCheckpointStore, WhatTheMemoryHasIsNotLoaded) {
  Lives lives;
  const auto system = words(1, 200);
  ask(lives.begin(), system + words(2, 100), {200, 280});
  Simulation& next = lives.begin();
  ask(next, system + words(4, 50), {200});
  const int imported = next.decoder.imported;
  EXPECT_EQ(imported, (200 + kSmallBlock - 1) / kSmallBlock);
  ask(next, system + words(5, 50), {200}); // from the checkpoint in memory
  EXPECT_EQ(next.decoder.imported, imported);
  EXPECT_EQ(ask(next, system + words(2, 100) + words(3, 9), {200}).reused(), 280); // behind it
  EXPECT_EQ(next.decoder.imported, imported + 280 / kSmallBlock - 200 / kSmallBlock + 1);
}

TEST(SchedulerCheckpointStore, WhatWasMeasuredOutlivesTheProcess) {
  Lives lives;
  ask(lives.begin(), words(1, 300), {200, 280});
  Simulation& next = lives.begin();
  next.decoder.block_time = 1000;
  EXPECT_EQ(ask(next, words(1, 300)).reused(), 280); // what loading takes is not known yet
  Simulation& third = lives.begin();
  third.decoder.block_time = 1000;
  EXPECT_EQ(ask(third, words(1, 300)).reused(), 0); // that computing is faster, from the first on
  EXPECT_EQ(third.decoder.imported, 0);
}

TEST(SchedulerCheckpointStore, AStateThatIsNotTakenIsComputedAgain) {
  Lives lives;
  const auto prompt = words(1, 300);
  ask(lives.begin(), prompt, {200, 280});
  Simulation& next = lives.begin();
  next.decoder.refuses_states = true;
  const Heard heard = ask(next, prompt, {200, 280});
  EXPECT_EQ(heard.reused(), 0);
  EXPECT_EQ(next.scheduler.stats().restored_tokens, 0u);
  EXPECT_EQ(next.scheduler.stats().reused_tokens, 0u);
  next.decoder.refuses_states = false;
  EXPECT_GE(ask(next, prompt + words(3, 5)).reused(), 280);
}

TEST(SchedulerCheckpointStore, ADamagedBlockIsComputedAgain) {
  Lives lives;
  const auto prompt = words(1, 300);
  ask(lives.begin(), prompt, {200, 280});
  lives.begin();
  int damaged = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(lives.folder()))
    if (entry.path().extension() == ".kv" && ++damaged % 5 == 0) {
      std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(-1, std::ios::end);
      file.put('\x7E');
    }
  Simulation& next = lives.begin();
  ask(next, prompt, {200, 280});
  lives.store().check();
  EXPECT_GT(lives.store().stats().damaged, 0u);
  EXPECT_EQ(ask(lives.begin(), prompt + words(3, 5)).reused(), 280); // it is stored again
}

TEST(SchedulerCheckpointStore, WhoLeavesWhileItLoadsSpoilsNothing) {
  Lives lives;
  const auto prompt = words(1, 600);
  ask(lives.begin(), prompt, {580});
  Simulation& next = lives.begin();
  const JobId answering = next.add(job_of(words(7, 20), 200)); // so that one block comes at a time
  next.step();
  next.step();
  const JobId leaving = next.add(with_ends(job_of(prompt), {580}));
  for (int i = 0; i < 1'000'000 && next.decoder.imported == 0; ++i) // the disk takes its time
    next.step();
  EXPECT_GT(next.decoder.imported, 0);
  next.scheduler.cancel(leaving);
  next.run();
  EXPECT_EQ(next.heard(answering).text(), expected_text(words(7, 20), 200));
  EXPECT_EQ(ask(next, prompt, {580}).reused(), 580);
}

TEST(SchedulerCheckpointStore, AnAnswerWaitsForOneBlockAtMost) {
  Lives lives;
  const auto prompt = words(1, 600) + words(3, 100);
  ask(lives.begin(), words(1, 600), {580});
  Simulation& next = lives.begin();
  next.decoder.block_time = 0.01;
  const auto pieces = lives.store().find_checkpoint("anna", prompt);
  ASSERT_EQ(pieces.size(), 580 / kSmallBlock + 1);
  const JobId answering = next.add(job_of(words(7, 20), 200));
  next.step(); // its prompt
  next.add(with_ends(job_of(prompt, 4), {580, 690}));
  // Steps take no time here, and reading does: all of it could come behind the answer, at once.
  const auto [came, went] = next.run_beside(answering, [&] {
    for (const auto& piece : pieces)
      lives.store().wait(piece.key, std::chrono::seconds(20));
  });
  EXPECT_EQ(came, static_cast<int>(pieces.size()));
  EXPECT_GE(went, 1);
}

TEST(SchedulerCheckpointStore, CheckpointsOfAConversationThinOut) {
  Lives lives;
  Simulation& simulation = lives.begin(4000);
  std::vector<Token> talk = words(0, 100);
  std::vector<int> ends{100};
  for (int turn = 1; turn <= 24; ++turn) {
    talk = talk + words(turn, 60);
    ends.push_back(static_cast<int>(talk.size()));
    talk = talk + words(100 + turn, 4); // how the template opens an answer
    ask(simulation, talk, ends);
    talk = talk + bytes(expected_text(talk, 4));
  }
  lives.store().check();
  const auto places = lives.store().checkpoints("anna", talk);
  EXPECT_LE(places.size(), 10u); // of 25
  ASSERT_GE(places.size(), 4u);
  EXPECT_EQ(places.front().end, 100);
  EXPECT_EQ(places.back().end, ends.back());
  EXPECT_EQ(ask(lives.begin(4000), talk + words(200, 9)).reused(), ends.back());
}

/// One schedule of requests, cancellations, failed batches and restarts over a pool and a disk of
/// any size; every answer must be that of its prompt alone.
void check_any_schedule(std::uint64_t& restored) {
  Lives lives;
  const int cells = *rc::gen::inRange(250, 900);
  const auto disk = *rc::gen::element<std::uint64_t>(5'000, 30'000, 1U << 20);
  std::vector<std::vector<Token>> seen;
  for (int life = 0; life < 3; ++life) {
    Simulation& simulation = lives.begin(cells, disk);
    simulation.decoder.block_time = *rc::gen::element(0.001, 0.1, 5.0);
    std::map<JobId, Asked> asked;
    bool failed = false;
    for (int i = 0; i < 40; ++i) {
      const int action = *rc::gen::inRange(0, 12);
      if (action < 3) {
        auto prompt = words(*rc::gen::inRange(0, 3), *rc::gen::inRange(1, 120)) +
                      words(*rc::gen::inRange(10, 13), *rc::gen::inRange(1, 40));
        if (!seen.empty() && *rc::gen::inRange(0, 2) == 0)
          prompt = seen[*rc::gen::inRange<std::size_t>(0, seen.size())];
        if (prompt.size() < 150)
          seen.push_back(prompt + words(*rc::gen::inRange(20, 40), *rc::gen::inRange(1, 30)));
        std::vector<int> ends{*rc::gen::inRange(1, 60), *rc::gen::inRange(60, 150)};
        const Asked next{prompt, *rc::gen::inRange(1, 20)};
        asked[simulation.add(with_ends(job_of(prompt, next.max_tokens), ends))] = next;
      } else if (action == 3 && !asked.empty()) {
        const JobId id = asked.rbegin()->first;
        asked[id].cancelled = asked[id].cancelled || !simulation.heard(id).over();
        simulation.scheduler.cancel(id);
      } else if (action == 4) {
        simulation.decoder.statuses = {*rc::gen::weightedElement<DecodeStatus>(
            {{8, DecodeStatus::ok}, {1, DecodeStatus::failed}, {1, DecodeStatus::no_space}})};
        failed = failed || simulation.decoder.statuses.front() != DecodeStatus::ok;
      } else if (action == 5) {
        simulation.decoder.refuses_states = *rc::gen::inRange(0, 8) == 0;
      } else if (action == 6) {
        simulation.run();
        simulation.idle();
      } else if (!simulation.scheduler.step()) {
        simulation.scheduler.work_while_idle();
      }
      simulation.scheduler.check();
      lives.store().check();
      RC_ASSERT(simulation.scheduler.stats().cells_used == simulation.decoder.cells_used());
    }
    simulation.decoder.statuses.clear();
    simulation.run();
    for (const auto& [id, job] : asked) {
      const Heard& heard = simulation.heard(id);
      RC_ASSERT(heard.over() || job.cancelled);
      RC_ASSERT(heard.ended || job.cancelled || failed);
      RC_ASSERT(!heard.ended || heard.text() == expected_text(job.prompt, job.max_tokens));
    }
    restored += simulation.scheduler.stats().restored_tokens;
  }
}

TEST(SchedulerCheckpointStoreProperty, EveryAnswerIsThatOfItsPromptAlone) {
  std::uint64_t restored = 0;
  EXPECT_TRUE(rc::check([&] { check_any_schedule(restored); }));
  EXPECT_GT(restored, 1000u); // or little was tried
}

} // namespace
} // namespace anyclaude::engine
