#include "commands/config.h"

#include <gtest/gtest.h>

#include <fstream>

namespace anyclaude::commands {
namespace {

std::expected<Config, std::string> config(const std::string& text) {
  const auto file = std::filesystem::path(testing::TempDir()) / "config_test.toml";
  std::ofstream(file) << text;
  return read_config(file);
}

TEST(Config, KnowsThePromptsLayout) {
  const auto layout = [](const std::string& text) {
    const auto read = config(text);
    EXPECT_TRUE(read) << read.error();
    return read ? read->prompt_layout : std::nullopt;
  };
  EXPECT_EQ(layout("[prompt]\nlayout = \"as-sent\"\n"), "as-sent");
  EXPECT_EQ(layout("prompt.layout = \"stable-first\"\n"), "stable-first");
  EXPECT_EQ(layout(""), std::nullopt);
}

TEST(Config, NamesWhatIsWrongWithThePromptsLayout) {
  const auto unknown = config("[prompt]\nlayout = \"random\"\n");
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().contains(":2: \"prompt.layout\" must be \"stable-first\" or"))
      << unknown.error();
  const auto misspelled = config("[prompt]\nlayuot = \"as-sent\"\n");
  ASSERT_FALSE(misspelled);
  EXPECT_TRUE(misspelled.error().contains("unknown key \"prompt.layuot\"")) << misspelled.error();
}

TEST(Config, KnowsFoldersOfWhichNothingIsKept) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "excluded";
  fs::remove_all(folder);
  fs::create_directories(folder / "secret/project");
  fs::create_directories(folder / "secretary");
  fs::create_directory_symlink(folder / "secret", folder / "link");
  const auto read = config("[store]\nexclude = [\"" + (folder / "secret/").native() + "\"]\n");
  ASSERT_TRUE(read) << read.error();
  EXPECT_TRUE(is_excluded(*read, folder / "secret"));
  EXPECT_TRUE(is_excluded(*read, folder / "secret/project"));
  EXPECT_TRUE(is_excluded(*read, folder / "link/project"));
  EXPECT_FALSE(is_excluded(*read, folder / "secretary"));
  EXPECT_FALSE(is_excluded(*read, folder));
  EXPECT_FALSE(is_excluded(Config{}, folder));

  const auto no_list = config("[store]\nexclude = \"~/secret\"\n");
  ASSERT_FALSE(no_list);
  EXPECT_TRUE(no_list.error().contains(":2: \"store.exclude\" must be a list")) << no_list.error();
  EXPECT_FALSE(config("[store]\nexlcude = []\n"));
  EXPECT_FALSE(config("[store]\nexclude = [3]\n"));
}

} // namespace
} // namespace anyclaude::commands
