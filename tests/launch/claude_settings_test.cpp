#include "launch/claude_program.h"
#include "launch/claude_settings.h"
#include "launch/scratch_home.h"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <map>

namespace anyclaude::launch {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Settings : public testing::Test {
 protected:
  Settings() {
    connection_ = {.base_url = "http://127.0.0.1:4321",
                   .session = "abc",
                   .token = "secret",
                   .model_id = "qwen3-30b",
                   .context_tokens = 40960};
    places_ = {home_.file("user.json"), {home_.file("project.json")}, {home_.file("managed.json")}};
  }

  EnvironmentLookup shell() const {
    return [this](const char* name) -> std::optional<std::string> {
      const auto found = shell_.find(name);
      return found == shell_.end() ? std::nullopt : std::optional(found->second);
    };
  }

  auto make(const std::vector<std::string>& arguments = {}) {
    return make_claude_settings(connection_, arguments, places_, shell());
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(home_.file(name)) << text;
  }

  ScratchHome home_;
  std::map<std::string, std::string> shell_;
  ClaudeConnection connection_;
  ClaudeSettingsPlaces places_;
};

TEST_F(Settings, PointEveryModelAtOurs) {
  const auto made = make();
  ASSERT_TRUE(made) << made.error();
  const json env = json::parse(made->json).at("env");
  EXPECT_EQ(env.at("ANTHROPIC_BASE_URL"), "http://127.0.0.1:4321/s/abc");
  EXPECT_EQ(env.at("ANTHROPIC_AUTH_TOKEN"), "secret");
  for (const char* name : {"ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL",
                           "ANTHROPIC_DEFAULT_SONNET_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL",
                           "ANTHROPIC_SMALL_FAST_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL"})
    EXPECT_EQ(env.at(name), "qwen3-30b") << name;
  EXPECT_EQ(env.at("CLAUDE_CODE_MAX_CONTEXT_TOKENS"), "40960");
  EXPECT_EQ(env.at("CLAUDE_CODE_MAX_OUTPUT_TOKENS"), "10240");
  EXPECT_EQ(env.at("CLAUDE_CODE_ATTRIBUTION_HEADER"), "0");
  EXPECT_EQ(env.at("CLAUDE_CODE_GATEWAY_HINT_HEADERS"), "1");
  EXPECT_EQ(env.at("ANTHROPIC_API_KEY"), "");
  EXPECT_EQ(json::parse(made->json).at("apiKeyHelper"), "");
  EXPECT_TRUE(made->warnings.empty());
  EXPECT_FALSE(env.contains("NO_PROXY")) << "no proxy is set";
}

TEST_F(Settings, LeaveALoginOfOnesOwnAlone) {
  connection_.own_login = true;
  connection_.token = "se/cret";
  connection_.model_id.clear();
  shell_["CLAUDE_CODE_USE_BEDROCK"] = "1";
  shell_["CLAUDE_CODE_USE_VERTEX"] = "0";
  const auto made = make();
  ASSERT_TRUE(made) << made.error();
  const json settings = json::parse(made->json);
  EXPECT_EQ(settings, json::parse(R"({"env":{"ANTHROPIC_BASE_URL":
                                     "http://127.0.0.1:4321/t/se%2Fcret/s/abc"}})"))
      << "no credential, no model, no limit is ours to set";
  ASSERT_EQ(made->warnings.size(), 1U);
  EXPECT_TRUE(made->warnings[0].starts_with("CLAUDE_CODE_USE_BEDROCK is set"));
}

TEST_F(Settings, KeepTheLoginWhereOnlySomeRequestsGoToTheRealClaude) {
  connection_.own_login = true;
  shell_["CLAUDE_CODE_USE_BEDROCK"] = "1";
  const auto made = make();
  ASSERT_TRUE(made) << made.error();
  const json settings = json::parse(made->json);
  const json& env = settings.at("env");
  EXPECT_EQ(env.at("ANTHROPIC_BASE_URL"), "http://127.0.0.1:4321/t/secret/s/abc");
  for (const char* name : {"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_CUSTOM_HEADERS"})
    EXPECT_FALSE(env.contains(name)) << name;
  EXPECT_FALSE(settings.contains("apiKeyHelper")) << "it may be what brings the login";
  EXPECT_EQ(env.at("ANTHROPIC_MODEL"), "qwen3-30b");
  EXPECT_EQ(env.at("ANTHROPIC_DEFAULT_OPUS_MODEL"), "qwen3-30b");
  EXPECT_EQ(env.at("CLAUDE_CODE_USE_BEDROCK"), "") << "or nothing would come to us";
  EXPECT_TRUE(made->warnings.empty());
}

TEST_F(Settings, LeaveTheNamesThatRulesLookAt) {
  connection_.own_model_names = true;
  const auto made = make();
  ASSERT_TRUE(made) << made.error();
  const json env = json::parse(made->json).at("env");
  EXPECT_EQ(env.at("ANTHROPIC_MODEL"), "qwen3-30b") << "until another one is asked for";
  EXPECT_EQ(env.at("ANTHROPIC_SMALL_FAST_MODEL"), "qwen3-30b");
  for (const char* name : {"ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
                           "ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_DEFAULT_FABLE_MODEL",
                           "CLAUDE_CODE_SUBAGENT_MODEL"})
    EXPECT_FALSE(env.contains(name)) << name;
}

TEST_F(Settings, SayThatASessionIsPrivate) {
  const auto url = [this] {
    const auto made = make({});
    EXPECT_TRUE(made);
    return json::parse(made->json).at("env").at("ANTHROPIC_BASE_URL").get<std::string>();
  };
  EXPECT_EQ(url(), "http://127.0.0.1:4321/s/abc");
  connection_.is_private = true;
  EXPECT_EQ(url(), "http://127.0.0.1:4321/p/abc");
}

TEST_F(Settings, KeepThePersonsOwnFromAFile) {
  write("mine.json", R"({"permissions":{"allow":["Bash"]},
                         "env":{"ANTHROPIC_MODEL":"theirs","EDITOR":"vi"}})");
  const auto made = make({"-p", "hi", "--settings", home_.file("mine.json").native(), "-c"});
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->arguments, (std::vector<std::string>{"-p", "hi", "-c"}));
  const json settings = json::parse(made->json);
  EXPECT_EQ(settings.at("permissions").at("allow").at(0), "Bash");
  EXPECT_EQ(settings.at("env").at("EDITOR"), "vi");
  EXPECT_EQ(settings.at("env").at("ANTHROPIC_MODEL"), "qwen3-30b");
}

TEST_F(Settings, KeepThePersonsOwnGivenInline) {
  const auto made = make(
      {R"(--settings={"model":"x"})", "--settings", R"( {"env":{"A":"1"}})", "--", "--settings"});
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->arguments, (std::vector<std::string>{"--", "--settings"}));
  const json settings = json::parse(made->json);
  EXPECT_EQ(settings.at("env").at("A"), "1");
  EXPECT_FALSE(settings.contains("model")) << "only the last --settings counts";
}

TEST_F(Settings, SayWhatIsWrongWithThePersonsOwn) {
  auto made = make({"--settings", "/no/such/file.json"});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().find("/no/such/file.json"), std::string::npos);
  EXPECT_FALSE(make({"--settings", "{broken"}));
  EXPECT_FALSE(make({"--settings", R"({"env":[]})"}));
  EXPECT_FALSE(make({"--settings"}));
}

TEST_F(Settings, ExceptLoopbackFromAnyProxy) {
  shell_ = {{"HTTPS_PROXY", "http://proxy:3128"}, {"NO_PROXY", ".corp"}};
  auto made = make();
  ASSERT_TRUE(made);
  json env = json::parse(made->json).at("env");
  EXPECT_EQ(env.at("NO_PROXY"), ".corp,127.0.0.1,localhost");
  EXPECT_EQ(env.at("no_proxy"), ".corp,127.0.0.1,localhost");

  shell_.clear();
  write("user.json", R"({"env":{"http_proxy":"http://proxy:3128"}})");
  made = make();
  ASSERT_TRUE(made);
  env = json::parse(made->json).at("env");
  EXPECT_EQ(env.at("NO_PROXY"), "127.0.0.1,localhost");
}

TEST_F(Settings, WarnOnlyOfWhatReallyOverridesOurs) {
  write("user.json", R"({"model":"opus","env":{"ANTHROPIC_BASE_URL":"http://other"}})");
  auto made = make();
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->warnings.empty()) << made->warnings.front();

  write("managed.json", R"({"env":{"ANTHROPIC_BASE_URL":"http://other"}})");
  write("project.json", R"({"availableModels":["opus"]})");
  made = make();
  ASSERT_TRUE(made);
  ASSERT_EQ(made->warnings.size(), 2u);
  EXPECT_NE(made->warnings[0].find("managed.json sets ANTHROPIC_BASE_URL"), std::string::npos);
  EXPECT_NE(made->warnings[1].find("availableModels"), std::string::npos);
}

TEST_F(Settings, TolerateBrokenFilesOfThePersons) {
  write("user.json", "{ not json");
  write("project.json", R"({"env":"text"})");
  EXPECT_TRUE(make());
}

TEST_F(Settings, AFileIsPrivateAndGoesWithItsLauncher) {
  fs::path path;
  {
    const auto file = SettingsFile::write(home_.paths(), R"({"env":{}})");
    ASSERT_TRUE(file) << file.error();
    path = file->path();
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    EXPECT_EQ(ScratchHome::read_file(path), R"({"env":{}})");
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Settings, AFileOfALauncherThatWasKilledIsRemoved) {
  const auto dead = home_.paths().runtime / "claude-settings-999999999-abcdef"; // beyond pid_max
  const auto alive =
      home_.paths().runtime / ("claude-settings-" + std::to_string(::getpid()) + "-abcdef");
  std::ofstream(dead) << "{}";
  std::ofstream(alive) << "{}";
  ASSERT_TRUE(SettingsFile::write(home_.paths(), "{}"));
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
}

TEST_F(Settings, ClaudeIsFoundWhereItIs) {
  shell_ = {{"PATH", home_.file("empty").native() + ":" + home_.file("").native()},
            {"HOME", home_.file("h").native()}};
  fs::create_directories(home_.file("h/.local/bin"));
  fs::copy_file(home_.script("exit 0"), home_.file("h/.local/bin/claude"));
  EXPECT_EQ(find_claude("", shell()), home_.file("") / "claude") << "PATH comes first";
  fs::remove(home_.file("claude"));
  EXPECT_EQ(find_claude("", shell()), home_.file("h/.local/bin/claude"));
  EXPECT_EQ(find_claude(home_.file("h/.local/bin/claude"), shell()),
            home_.file("h/.local/bin/claude"));
}

TEST_F(Settings, AMissingClaudeNamesTheInstallCommand) {
  const auto missing = find_claude(home_.file("nowhere"), shell());
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().find("npm install -g @anthropic-ai/claude-code"), std::string::npos);
  EXPECT_NE(missing.error().find("nowhere"), std::string::npos);
}

} // namespace
} // namespace anyclaude::launch
