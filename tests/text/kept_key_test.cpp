#include "text/kept_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace anyclaude::text {
namespace {

TEST(KeptKey, IsTheNextProcessesToo) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("anyclaude-key-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto file = folder / "a.key";
  const auto first = kept_key(file);
  ASSERT_TRUE(first);
  EXPECT_EQ(kept_key(file), first);
  EXPECT_NE(random_key(), *first);
  struct stat status{};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  std::ofstream(file) << "short";
  EXPECT_EQ(kept_key(file).error(), file.string() + " is not a key; remove it");
  const auto unreadable = folder / "b.key";
  std::filesystem::create_directory(unreadable);
  EXPECT_EQ(kept_key(unreadable).error(), "cannot read " + unreadable.string() + ": Is a directory")
      << "it may be a sound key, and is not to be removed";
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(kept_key(file));
}

} // namespace
} // namespace anyclaude::text
