#include "kv/failing_disk.h"
#include "telemetry/trace.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::telemetry {
namespace {

namespace fs = std::filesystem;

class TraceTest : public testing::Test {
 public:
  TraceTest(const TraceTest&) = delete;
  TraceTest& operator=(const TraceTest&) = delete;

 protected:
  TraceTest() {
    fs::remove_all(folder);
    fs::create_directories(folder);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "trace", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
  }
  ~TraceTest() override {
    spdlog::set_default_logger(std::move(before));
    fs::remove_all(folder);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder))
      found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
  }

  std::string text_of(const std::string& name) const {
    std::ifstream file(folder / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  int warnings() const {
    const std::string text = log.str();
    int count = 0;
    for (std::size_t at = text.find("[warning]"); at != std::string::npos;
         at = text.find("[warning]", at + 1))
      ++count;
    return count;
  }

  const fs::path folder = fs::path(testing::TempDir()) / "trace";
  std::ostringstream log;
  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
};

TEST_F(TraceTest, WhatIsWrittenIsTheOwnersAloneAndWithoutSecrets) {
  Trace::open(folder, {})
      ->write({.name = "1", .text = "hello open-sesame", .secrets = {"open-sesame"}});
  ASSERT_EQ(names(), std::vector<std::string>{"1.trace.txt"});
  EXPECT_EQ(text_of("1.trace.txt"), "hello [redacted]");
  struct stat info{};
  ASSERT_EQ(::stat((folder / "1.trace.txt").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(TraceTest, TheOldestFilesGoWhenThereAreTooMany) {
  std::ofstream(folder / "0.trace.txt") << std::string(40, 'x'); // of an earlier run
  std::ofstream(folder / "notes.txt") << "a person's own";
  auto trace = Trace::open(folder, {.folder_bytes = 100});
  for (const char* name : {"1", "2", "3"})
    trace->write({.name = name, .text = std::string(40, 'x'), .secrets = {}});
  trace.reset();
  EXPECT_EQ(names(), (std::vector<std::string>{"2.trace.txt", "3.trace.txt", "notes.txt"}));
}

TEST_F(TraceTest, AFullDiskGivesOneWarningAndNoHalfFiles) {
  kv::FailingDisk disk(folder);
  std::atomic<bool> is_full = true;
  disk.fail([&is_full](std::string_view call, const fs::path&) {
    return is_full && call == "write" ? ENOSPC : 0;
  });
  auto trace = Trace::open(folder, {});
  for (const char* name : {"1", "2", "3"})
    trace->write({.name = name, .text = "text", .secrets = {}});
  trace.reset();
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(warnings(), 1) << log.str();

  is_full = false;
  Trace::open(folder, {})->write({.name = "4", .text = "text", .secrets = {}});
  EXPECT_EQ(names(), std::vector<std::string>{"4.trace.txt"});
}

TEST_F(TraceTest, WhatWaitsIsBounded) {
  auto trace = Trace::open(folder, {.folder_bytes = 1000, .waiting_bytes = 50});
  for (const char* name : {"1", "2"})
    trace->write({.name = name, .text = std::string(60, 'x'), .secrets = {}});
  trace.reset();
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(warnings(), 1) << log.str();
}

TEST_F(TraceTest, ANameThatIsALinkIsNotFollowed) {
  const fs::path target = folder / "target";
  fs::create_symlink(target, folder / "1.trace.txt");
  Trace::open(folder, {})->write({.name = "1", .text = "text", .secrets = {}});
  EXPECT_FALSE(fs::exists(target));
  EXPECT_EQ(warnings(), 1) << log.str();
}

} // namespace
} // namespace anyclaude::telemetry
