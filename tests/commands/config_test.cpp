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

} // namespace
} // namespace anyclaude::commands
