#include "engine/available_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <format>
#include <fstream>
#include <string>

namespace anyclaude::engine {
namespace {

constexpr std::uint64_t kMib = 1U << 20;

/// A system of plain files with 1,000 MiB free.
class AvailableMemory : public ::testing::Test {
 protected:
  AvailableMemory() {
    file("proc/meminfo", "MemTotal: 9999999 kB\nMemAvailable: 1024000 kB\nCached: 5 kB\n");
  }
  ~AvailableMemory() override { std::filesystem::remove_all(system_); }

  void file(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((system_ / path).parent_path());
    std::ofstream(system_ / path) << text;
  }
  void group2(const std::string& path, const std::string& limit, std::uint64_t usage,
              std::uint64_t inactive = 0, std::uint64_t active = 0) {
    const std::string folder = "sys/fs/cgroup/" + path;
    file(folder + "/memory.max", limit + "\n");
    file(folder + "/memory.current", std::format("{}\n", usage));
    file(folder + "/memory.stat",
         std::format("anon 7\ninactive_file {}\nactive_file {}\n", inactive, active));
  }
  std::uint64_t mib() const { return available_memory(system_) / kMib; }

  std::filesystem::path system_ =
      std::filesystem::temp_directory_path() / std::format("available-memory-{}", getpid());
};

TEST_F(AvailableMemory, IsWhatTheSystemHasFree) {
  EXPECT_EQ(mib(), 1000U);
}

TEST_F(AvailableMemory, IsNoMoreThanAGroupLeaves) {
  file("proc/self/cgroup", "0::/user/one\n");
  group2("user/one", std::to_string(300 * kMib), 100 * kMib);
  EXPECT_EQ(mib(), 200U);
}

TEST_F(AvailableMemory, PagesOfFilesThatCanGoAreNotCounted) {
  file("proc/self/cgroup", "0::/one\n");
  group2("one", std::to_string(300 * kMib), 290 * kMib, 90 * kMib);
  EXPECT_EQ(mib(), 100U);
}

TEST_F(AvailableMemory, UntilTheEndIsThatWithSwapAndAllPagesOfFiles) {
  EXPECT_EQ(memory_before_the_end(system_) / kMib, 1000U);
  file("proc/meminfo", "MemAvailable: 1024000 kB\nSwapFree: 102400 kB\n");
  EXPECT_EQ(memory_before_the_end(system_) / kMib, 1100U);
  EXPECT_EQ(mib(), 1000U);
  file("proc/self/cgroup", "0::/one\n");
  group2("one", std::to_string(300 * kMib), 290 * kMib, 90 * kMib, 150 * kMib);
  EXPECT_EQ(mib(), 100U);
  EXPECT_EQ(memory_before_the_end(system_) / kMib, 250U);
}

TEST_F(AvailableMemory, TheGroupsAboveCountToo) {
  file("proc/self/cgroup", "0::/outer/inner\n");
  group2("outer/inner", "max", 10 * kMib);
  group2("outer", std::to_string(50 * kMib), 20 * kMib);
  EXPECT_EQ(mib(), 30U);
}

TEST_F(AvailableMemory, AGroupBeyondItsLimitLeavesNothing) {
  file("proc/self/cgroup", "0::/one\n");
  group2("one", std::to_string(10 * kMib), 20 * kMib);
  EXPECT_EQ(mib(), 0U);
}

TEST_F(AvailableMemory, Version1HasItsOwnNames) {
  file("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/one\n0::/\n");
  const std::string folder = "sys/fs/cgroup/memory/one";
  file(folder + "/memory.limit_in_bytes", std::to_string(500 * kMib));
  file(folder + "/memory.usage_in_bytes", std::to_string(400 * kMib));
  file(folder + "/memory.stat", std::format("total_inactive_file {}\n", 100 * kMib));
  file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  file("sys/fs/cgroup/memory/memory.usage_in_bytes", "5");
  EXPECT_EQ(mib(), 200U);
  file(folder + "/memory.stat",
       std::format("total_inactive_file {}\ntotal_active_file {}\n", 100 * kMib, 50 * kMib));
  EXPECT_EQ(memory_before_the_end(system_) / kMib, 250U);
}

/// As in a container whose namespace hides the path: the mounted root is its own group.
TEST_F(AvailableMemory, AHiddenPathIsTheRoot) {
  file("proc/self/cgroup", "0::/not/seen/here\n");
  group2(".", std::to_string(300 * kMib), 100 * kMib);
  EXPECT_EQ(mib(), 200U);
}

TEST_F(AvailableMemory, IsNoMoreThanTheAddressSpaceLeaves) {
  const auto limits = [&](const std::string& soft) {
    file("proc/self/limits",
         "Limit                     Soft Limit           Hard Limit           Units\n"
         "Max file locks            unlimited            unlimited            locks\n"
         "Max address space         " +
             soft + "            unlimited            bytes\n");
  };
  file("proc/self/statm",
       std::format("{} 3 2 1 0 1 0\n",
                   100 * kMib / static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))));
  limits("unlimited");
  EXPECT_EQ(mib(), 1000U);
  limits(std::to_string(130 * kMib));
  EXPECT_EQ(mib(), 30U);
  EXPECT_EQ(memory_before_the_end(system_) / kMib, 30U);
  limits(std::to_string(90 * kMib));
  EXPECT_EQ(mib(), 0U);
}

} // namespace
} // namespace anyclaude::engine
