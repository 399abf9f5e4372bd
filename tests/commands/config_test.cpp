#include "checkout.h"
#include "commands/config.h"

#include <gtest/gtest.h>

#include <format>
#include <fstream>
#include <iterator>

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

TEST(Config, KnowsWhatLetsAModelSee) {
  const auto read = config("mmproj = \"eyes.gguf\"\n");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->projector, std::filesystem::path(testing::TempDir()) / "eyes.gguf");
  EXPECT_EQ(config("mmproj = \"none\"\n")->projector, "none"); // no file of that name
  EXPECT_FALSE(config("mmproj = 3\n"));
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

TEST(Config, KnowsBackendsRoutesAndTheFallback) {
  const auto read = config(R"(
mode = "mlx-lm"
menu = false
[backends.gpu]
kind = "vllm"
url = "http://10.0.0.1:8000"
replicas = ["http://10.0.0.2:8000"]
model = "qwen3"
api_key_env = "GPU_KEY"
context = 65536
[[routes]]
model = "*haiku*"
background = true
to = ["gpu:small", "claude"]
[fallback]
cloud = true
)");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->mode, "mlx-lm");
  EXPECT_EQ(read->menu, false);
  const BackendConfig* gpu = read->backend("gpu");
  ASSERT_TRUE(gpu);
  EXPECT_EQ(gpu->kind, "vllm");
  EXPECT_EQ(gpu->urls, (std::vector<std::string>{"http://10.0.0.1:8000", "http://10.0.0.2:8000"}));
  EXPECT_EQ(gpu->context_tokens, 65536);
  ASSERT_EQ(read->routes.rules.size(), 1U);
  const auto& rule = read->routes.rules.front();
  EXPECT_EQ(rule.model, "*haiku*");
  EXPECT_EQ(rule.background, true);
  ASSERT_EQ(rule.targets.size(), 2U);
  EXPECT_EQ(rule.targets[0].backend, "gpu");
  EXPECT_EQ(rule.targets[0].model, "small");
  EXPECT_TRUE(read->routes.allow_cloud_fallback);
}

TEST(Config, KnowsASecondModelOfOurOwn) {
  const auto read = config("[backends.small]\nkind = \"local\"\nmodel = \"small.gguf\"\n"
                           "context = 4096\n[[routes]]\nserver_tools = true\nto = \"claude\"\n");
  ASSERT_TRUE(read) << read.error();
  const BackendConfig* small = read->backend("small");
  ASSERT_TRUE(small);
  EXPECT_EQ(small->kind, kLocal);
  EXPECT_EQ(small->model, (std::filesystem::path(testing::TempDir()) / "small.gguf").native());
  EXPECT_EQ(small->context_tokens, 4096);
  EXPECT_EQ(read->routes.rules.front().server_tools, true);
}

TEST(Config, SaysWhereAndWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"mode = \"mlxlm\"\n", ":1: there is no backend \"mlxlm\""},
      {"\n[backends.x]\nkind = \"vlm\"\n", ":3: \"backends.x\" needs a kind; there are mlx-lm"},
      {"[backends.vllm]\nurl = \"127.0.0.1\"\n", ":2: \"url\": \"127.0.0.1\" is not a server's"},
      {"[backends.vllm]\nurll = \"x\"\n",
       ":2: unknown key \"backends.vllm.urll\"; there are kind, url"},
      {"[backends.openai]\nmodel = \"x\"\n", ":1: \"backends.openai\" needs a url"},
      {"[backends.x]\nkind = \"local\"\n", ":1: \"backends.x\" needs a model: a GGUF file"},
      {"[backends.x]\nkind = \"local\"\nmodel = \"f\"\nurl = \"http://127.0.0.1:1\"\n",
       ":4: \"url\" is of servers"},
      {"[[routes]]\nmodel = \"x\"\n", ":1: a route needs \"to\""},
      {"[[routes]]\nto = \"nowhere\"\n", ":1: there is no backend \"nowhere\""},
      {"[fallback]\ncloud = \"yes\"\n", ":2: \"cloud\" must be true or false"},
      {"colour = 1\n", ":1: unknown key \"colour\"; there are mode, menu, model"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto read = config(text);
    ASSERT_FALSE(read) << text;
    EXPECT_TRUE(read.error().contains(wanted)) << read.error();
  }
}

TEST(Config, ItsPageHasEveryKey) {
  std::ifstream page(checkout() / "docs/configuration.md");
  const std::string text{std::istreambuf_iterator<char>(page), {}};
  for (const ConfigKey& key : config_keys()) {
    const std::string row =
        std::format("| `{}` | {} | {} | {} |", key.key, key.type, key.standard, key.meaning);
    EXPECT_TRUE(text.contains(row)) << "docs/configuration.md lacks: " << row;
  }
}

} // namespace
} // namespace anyclaude::commands
