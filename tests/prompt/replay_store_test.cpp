#include "prompt/conversation_keys.h"
#include "prompt/prompt_text.h"
#include "prompt/replay_store.h"

#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>

namespace anyclaude::prompt {
namespace {

namespace fs = std::filesystem;
using TurnPointer = std::shared_ptr<const ReplayTurn>;

class ReplayStoreTest : public testing::Test {
 protected:
  ReplayStoreTest() {
    std::string name = (fs::temp_directory_path() / "anyclaude-replay-XXXXXX").native();
    folder_ = ::mkdtemp(name.data());
  }
  ~ReplayStoreTest() override { fs::remove_all(folder_); }

  std::unique_ptr<ReplayStore> open(const std::string& model = "one",
                                    std::uint64_t bytes = 1U << 20) const {
    auto store = ReplayStore::open(
        {.folder = folder_, .model = model, .bytes = bytes, .retry = std::chrono::milliseconds(0)});
    EXPECT_TRUE(store) << store.error();
    return store ? std::move(*store) : nullptr;
  }
  ReplayMemory memory() const { return ReplayMemory(ReplayMemory::kBytes, open()); }

  static TurnPointer turn(int number, std::vector<std::int32_t> tokens, TurnPointer parent = {}) {
    const std::size_t before = parent ? parent->end : 0;
    const std::size_t end = before + tokens.size();
    return std::make_shared<const ReplayTurn>(ReplayTurn{.key = key_of(number),
                                                         .parent = std::move(parent),
                                                         .tokens = std::move(tokens),
                                                         .boundaries = {static_cast<int>(before)},
                                                         .end = end,
                                                         .kept = true});
  }

  /// A conversation of a few turns, and what it is when all of it is found.
  std::vector<std::int32_t> write_conversation(int first, int turns = 3) const {
    const auto store = open();
    TurnPointer last;
    for (int i = first; i < first + turns; ++i) {
      last = turn(i, {i, i + 1, i + 2}, last);
      store->write(last);
    }
    return last->all_tokens();
  }

  fs::path file() const { return folder_ / "replay.db"; }
  void sql(const std::string& text) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  fs::path folder_;
};

TEST_F(ReplayStoreTest, AConversationOutlivesTheProcess) {
  const auto known = write_conversation(10);
  ReplayMemory after = memory();
  const auto found = after.find(key_of(12));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->all_tokens(), known);
  EXPECT_EQ(found->all_boundaries(), (std::vector<int>{0, 3, 6}));
  EXPECT_EQ(found->end, 9U);
  EXPECT_EQ(after.find(key_of(11)), found->parent); // read once
  EXPECT_FALSE(after.find(key_of(13)));
}

TEST_F(ReplayStoreTest, TheWholeChainIsWrittenWithItsLastTurn) {
  {
    const auto first = turn(1, {1});
    open()->write(turn(2, {2}, first)); // the first one was given up, say
  }
  ReplayMemory after = memory();
  ASSERT_TRUE(after.find(key_of(2)));
  EXPECT_TRUE(after.find(key_of(1)));
}

TEST_F(ReplayStoreTest, AnotherModelHasOtherKeys) {
  const auto one = open("one")->salt();
  EXPECT_EQ(open("one")->salt(), one);
  EXPECT_NE(open("two")->salt(), one);
  fs::remove(folder_ / "replay.key");
  EXPECT_NE(open("one")->salt(), one);
}

TEST_F(ReplayStoreTest, IsForItsOwnerOnly) {
  write_conversation(1);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    struct stat status{};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << entry.path();
  }
}

TEST_F(ReplayStoreTest, WhatIsNotToBeKeptIsNot) {
  {
    ReplayTurn secret = *turn(1, {1});
    secret.kept = false;
    open()->write(std::make_shared<const ReplayTurn>(secret));
  }
  EXPECT_FALSE(memory().find(key_of(1)));
  EXPECT_EQ(replay_totals(folder_)->turns, 0U);
}

TEST_F(ReplayStoreTest, ConversationsUsedLongestAgoAreDropped) {
  const auto store = open("one", 10'000); // 9 turns of 250 tokens
  for (int i = 0; i < 40; ++i) {
    store->write(turn(i, std::vector<std::int32_t>(250)));
    store->flush();
    ::usleep(2000); // the time of use is in milliseconds
    store->touch(key_of(0));
    store->flush();
    EXPECT_LE(replay_totals(folder_)->bytes, 10'000U);
  }
  EXPECT_TRUE(store->read(key_of(0))); // used all the time
  EXPECT_FALSE(store->read(key_of(1)));
  EXPECT_TRUE(store->read(key_of(39)));
}

TEST_F(ReplayStoreTest, ADamagedTurnIsSkippedAndOthersStay) {
  write_conversation(10);
  const auto other = write_conversation(20);
  sql("UPDATE turns SET tokens = x'0100000002000000' WHERE rowid = 2");
  {
    ReplayMemory after = memory();
    EXPECT_FALSE(after.find(key_of(12))); // behind the damaged one
    EXPECT_TRUE(after.find(key_of(10)));
    EXPECT_EQ(after.find(key_of(22))->all_tokens(), other);
  }
  EXPECT_EQ(replay_totals(folder_)->turns, 5U); // it is gone
}

TEST_F(ReplayStoreTest, ATurnThatWasMovedIsNotUsed) {
  write_conversation(10);
  sql("UPDATE turns SET parent = (SELECT key FROM turns WHERE rowid = 3) WHERE rowid = 2");
  EXPECT_FALSE(memory().find(key_of(12))); // two that lead to each other
}

TEST_F(ReplayStoreTest, AFileOfElsewhereIsNotBelieved) {
  write_conversation(10);
  fs::remove(folder_ / "replay.key");
  EXPECT_FALSE(memory().find(key_of(10)));
}

TEST_F(ReplayStoreTest, WhatIsNoDatabaseIsBegunAnew) {
  std::ofstream(file()) << std::string(10'000, 'x');
  const auto known = write_conversation(10);
  EXPECT_EQ(memory().find(key_of(12))->all_tokens(), known);
}

TEST_F(ReplayStoreTest, AnotherVersionsFileIsBegunAnew) {
  write_conversation(10);
  sql("PRAGMA user_version = 99");
  EXPECT_FALSE(memory().find(key_of(12)));
  const auto known = write_conversation(20);
  EXPECT_EQ(memory().find(key_of(22))->all_tokens(), known);
}

TEST_F(ReplayStoreTest, AFileThatIsSpoiltWhileItIsOpenIsBegunAnew) {
  for (int i = 0; i < 100; ++i)
    write_conversation(1000 * i);
  const auto store = open();
  fs::resize_file(file(), 8192); // of some 60 KB
  for (int i = 0; i < 100; ++i)
    store->read(key_of(1000 * i));
  store->write(turn(7, {7}));
  store->flush();
  store->write(turn(8, {8}));
  store->flush();
  EXPECT_TRUE(store->read(key_of(8)));
}

/// Nothing that stands in the files may end the process or be taken for a turn that was not
/// written.
TEST_F(ReplayStoreTest, PropertyDamageIsHarmless) {
  std::map<int, std::vector<std::int32_t>> known;
  for (int i = 0; i < 10; ++i)
    known[100 * i + 2] = write_conversation(100 * i);
  std::ifstream in(file(), std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(in), {}};
  std::mt19937 random(1);
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  int found = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = sound;
    if (round % 3 == 0)
      bytes.resize(below(bytes.size()));
    else
      for (std::size_t i = 0; i <= below(20); ++i)
        bytes[below(bytes.size())] = static_cast<char>(random());
    database::remove_database(file());
    std::ofstream(file(), std::ios::binary) << bytes;
    ReplayMemory after = memory();
    for (const auto& [number, tokens] : known)
      if (const auto turn = after.find(key_of(number))) {
        EXPECT_EQ(turn->all_tokens(), tokens);
        ++found;
      }
    after.remember(key_of(5000), *turn(5000, {1}));
  }
  EXPECT_GT(found, 500); // most damage is not where anybody reads
  EXPECT_LT(found, 3000);
}

TEST_F(ReplayStoreTest, ADiskThatTakesNothingIsNoTrouble) {
  write_conversation(10);
  const auto store = open();
  sql("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'full'); END");
  store->write(turn(20, {1}));
  store->flush();
  EXPECT_FALSE(store->read(key_of(20)));
  EXPECT_TRUE(store->read(key_of(10)));
  sql("DROP TRIGGER full");
  store->write(turn(21, {2}, turn(20, {1})));
  store->flush();
  EXPECT_TRUE(store->read(key_of(20))); // with the one behind it
}

TEST_F(ReplayStoreTest, ClearingLeavesNothingOfWhatWasSaid) {
  EXPECT_EQ(clear_replay(folder_)->turns, 0U);
  {
    const auto running = open();
    running->write(turn(1, std::vector<std::int32_t>(500, 0x45444342)));
    running->flush();
    const auto cleared = clear_replay(folder_);
    ASSERT_TRUE(cleared) << cleared.error();
    EXPECT_EQ(cleared->turns, 1U);
    EXPECT_EQ(cleared->conversations, 1U);
    EXPECT_FALSE(running->read(key_of(1)));
    for (const auto& entry : fs::directory_iterator(folder_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      EXPECT_FALSE(bytes.contains("BCDEBCDE")) << entry.path();
    }
    running->write(turn(2, {2}));
    running->flush();
    EXPECT_TRUE(running->read(key_of(2)));
  }
  EXPECT_EQ(replay_totals(folder_)->turns, 1U);
}

/// A whole conversation with one builder before and another behind a restart.
TEST_F(ReplayStoreTest, ThePromptBehindARestartIsTheOneBefore) {
  const auto builder = [this] {
    Tokenizer tokenizer = byte_tokenizer();
    tokenizer.turn_ends = {"<|im_end|>"};
    return PromptBuilder(*ChatTemplate::parse(kQwenLikeTemplate, "", ""), std::move(tokenizer),
                         {.replay_folder = folder_, .model = "one"});
  };
  const std::string hi = R"({"role":"user","content":"Hi"})";
  const std::string more =
      hi + R"(,{"role":"assistant","content":"Hello"},{"role":"user","content":"Bye"})";
  const auto asked = [](const std::string& messages) {
    return parsed_request(R"({"model":"m","max_tokens":9,"messages":[)" + messages + "]}");
  };
  const std::vector<std::int32_t> sampled{7, 7, 7};
  std::vector<std::int32_t> before;
  {
    const auto first = builder();
    auto prompt = first.build(asked(hi), "ann");
    ASSERT_TRUE(prompt);
    first.remember(*std::move(prompt->continuation),
                   std::vector<anthropic::ContentBlock>{anthropic::TextBlock{"Hello"}}, sampled);
    before = first.build(asked(more), "ann")->tokens;
    EXPECT_TRUE(std::ranges::contains(before, 7));
  }
  const auto second = builder();
  EXPECT_FALSE(std::ranges::contains(second.build(asked(more), "bob")->tokens, 7));
  EXPECT_EQ(second.build(asked(more), "ann")->tokens, before);
}

} // namespace
} // namespace anyclaude::prompt
