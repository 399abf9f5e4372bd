#include "telemetry/history.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

namespace anyclaude::telemetry {
namespace {

namespace fs = std::filesystem;

class HistoryTest : public testing::Test {
 protected:
  HistoryTest() {
    std::string name = (fs::temp_directory_path() / "anyclaude-history-XXXXXX").native();
    folder_ = ::mkdtemp(name.data());
    file_ = folder_ / "history.db";
  }
  ~HistoryTest() override { fs::remove_all(folder_); }

  std::unique_ptr<History> opened() const {
    auto history = History::open(file_);
    EXPECT_TRUE(history) << history.error();
    return history ? std::move(*history) : nullptr;
  }
  std::vector<RequestRecord> read(std::int64_t since = 0) const {
    auto records = read_history(file_, since);
    EXPECT_TRUE(records) << records.error();
    return records.value_or(std::vector<RequestRecord>());
  }

  fs::path folder_;
  fs::path file_;
};

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

RequestRecord record(std::string id, std::int64_t started_at = now_ms()) {
  RequestRecord out;
  out.id = std::move(id);
  out.session = "s1";
  out.model = "qwen3 \"30b\"; DROP TABLE requests";
  out.prompt_tokens = 100;
  out.reused_tokens = 90;
  out.computed_tokens = 10;
  out.output_tokens = 7;
  out.ttft_ms = 12.5;
  out.total_ms = 99.25;
  out.saved_ms = 4321;
  out.status = 200;
  out.started_at = started_at;
  return out;
}

TEST_F(HistoryTest, KeepsWhatWasAddedAcrossAnEnd) {
  opened()->add(record("req_1")); // its end writes what waits
  opened()->add(record("req_2"));
  const auto records = read();
  ASSERT_EQ(records.size(), 2U);
  const RequestRecord& first = records.front();
  EXPECT_EQ(first.id, "req_1");
  EXPECT_EQ(first.session, "s1");
  EXPECT_EQ(first.model, record("").model);
  EXPECT_EQ(first.prompt_tokens, 100);
  EXPECT_EQ(first.reused_tokens, 90);
  EXPECT_EQ(first.computed_tokens, 10);
  EXPECT_EQ(first.output_tokens, 7);
  EXPECT_EQ(first.prefill_ms, std::nullopt);
  EXPECT_EQ(first.ttft_ms, 12.5);
  EXPECT_EQ(first.total_ms, 99.25);
  EXPECT_EQ(first.saved_ms, 4321);
  EXPECT_EQ(first.status, 200);
}

TEST_F(HistoryTest, NoFileIsAnEmptyHistory) {
  EXPECT_TRUE(read().empty());
  EXPECT_FALSE(fs::exists(file_)) << "reading makes nothing";
}

TEST_F(HistoryTest, IsReadWhileItIsWritten) {
  const auto history = opened();
  for (int i = 0; i < 50; ++i)
    history->add(record("req_" + std::to_string(i)));
  for (int tries = 0; read().size() < 50; ++tries) {
    ASSERT_LT(tries, 1000) << "it was not written while its writer lives";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST_F(HistoryTest, OnlyItsOwnerCanReadIt) {
  opened()->add(record("req_1"));
  struct stat status{};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(HistoryTest, OldRecordsGo) {
  const std::int64_t hour = 3'600'000;
  {
    const auto history = opened();
    history->add(record("old", now_ms() - 100 * hour));
    history->add(record("new", now_ms() - hour));
  }
  ASSERT_EQ(read().size(), 2U);
  ASSERT_EQ(read(now_ms() - 2 * hour).size(), 1U);
  ASSERT_TRUE(History::open(file_, std::chrono::hours(99)));
  ASSERT_EQ(read().size(), 1U);
  EXPECT_EQ(read().front().id, "new");
}

TEST_F(HistoryTest, WhatIsNoDatabaseIsKeptAsideAndANewOneBegins) {
  std::ofstream(file_) << "this is no database, but somebody may want it back. "
                       << std::string(5000, 'x');
  EXPECT_FALSE(read_history(file_, 0));
  opened()->add(record("req_1"));
  EXPECT_EQ(read().size(), 1U);
  EXPECT_GT(fs::file_size(file_.native() + ".damaged"), 5000U);
}

TEST_F(HistoryTest, ALaterVersionsFileIsKeptAsideToo) {
  opened()->add(record("req_1"));
  {
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60); // user_version, big-endian: https://www.sqlite.org/fileformat.html
    file.write("\0\0\0\7", 4);
  }
  opened()->add(record("req_2"));
  ASSERT_EQ(read().size(), 1U);
  EXPECT_EQ(read().front().id, "req_2");
  EXPECT_TRUE(fs::exists(file_.native() + ".damaged"));
}

TEST_F(HistoryTest, AFolderThatIsNotThereIsAnErrorWithItsName) {
  const auto history = History::open(folder_ / "none" / "history.db");
  ASSERT_FALSE(history);
  EXPECT_NE(history.error().find("none/history.db"), std::string::npos) << history.error();
}

} // namespace
} // namespace anyclaude::telemetry
