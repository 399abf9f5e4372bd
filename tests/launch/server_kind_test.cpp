#include "launch/model_places.h"
#include "launch/scratch_home.h"
#include "launch/server_kind.h"
#include "launch/tool_parsers.h"

#include <algorithm>
#include <fstream>

namespace anyclaude::launch {
namespace {
namespace fs = std::filesystem;

class ServerKinds : public testing::Test {
 protected:
  fs::path model(const std::string& name, const std::string& config) const {
    const fs::path folder = home_.file(name);
    fs::create_directories(folder);
    std::ofstream(folder / "config.json") << config;
    return folder;
  }

  EnvironmentLookup environment() const {
    return [this](const char* name) -> std::optional<std::string> {
      if (std::string_view(name) == "HOME")
        return home_.file("home").native();
      return std::nullopt;
    };
  }

  static std::vector<std::string> arguments(std::string_view mode, const std::string& path,
                                            int context = 0) {
    const ServerKind& kind = *find_server_kind(mode);
    const auto command = kind.command({path, 1234, context, testing::TempDir()});
    EXPECT_TRUE(command) << command.error();
    return command->arguments;
  }

  static bool has(const std::vector<std::string>& arguments, const std::string& option,
                  const std::string& value) {
    const auto found = std::ranges::find(arguments, option);
    return found != arguments.end() && found + 1 != arguments.end() && *(found + 1) == value;
  }

  ScratchHome home_;
};

TEST_F(ServerKinds, ThatCanListenOnAllInterfacesAreStartedOnLoopback) {
  const fs::path folder = model("qwen3-x", R"({"model_type": "qwen3"})");
  for (const ServerKind& kind : server_kinds()) {
    const auto command = kind.command({folder.native(), 1234, 0, testing::TempDir()});
    ASSERT_TRUE(command) << kind.mode;
    std::string all;
    for (const std::string& argument : command->arguments)
      all += argument + " ";
    for (const auto& [name, value] : command->variables)
      all += name + "=" + value + " ";
    EXPECT_TRUE(all.contains("127.0.0.1") || kind.mode == "lmstudio") << all;
    EXPECT_TRUE(all.contains("1234")) << all;
  }
}

TEST_F(ServerKinds, AreToldHowTheModelWritesCalls) {
  const fs::path qwen = model("qwen3-x", R"({"model_type": "qwen3_moe"})");
  EXPECT_TRUE(has(arguments("vllm", qwen), "--tool-call-parser", "hermes"));
  EXPECT_TRUE(has(arguments("vllm", qwen), "--reasoning-parser", "qwen3"));
  EXPECT_TRUE(has(arguments("sglang", qwen), "--tool-call-parser", "qwen25"));
  EXPECT_TRUE(has(arguments("tensorrt-llm", qwen), "--tool_parser", "qwen3"));
  const fs::path coder = model("Qwen3-Coder-30B", R"({"model_type": "qwen3_moe"})");
  EXPECT_TRUE(has(arguments("vllm", coder), "--tool-call-parser", "qwen3_coder"));
  const fs::path unknown = model("other", R"({"model_type": "no_such"})");
  EXPECT_FALSE(std::ranges::contains(arguments("vllm", unknown), "--tool-call-parser"));
  EXPECT_FALSE(std::ranges::contains(arguments("vllm", unknown), "--enable-auto-tool-choice"))
      << "vLLM refuses to start with one of the two alone";
}

TEST_F(ServerKinds, GetTheContextThatWasAskedFor) {
  const fs::path folder = model("qwen3-x", R"({"model_type": "qwen3"})");
  EXPECT_TRUE(has(arguments("vllm", folder, 40960), "--max-model-len", "40960"));
  EXPECT_TRUE(has(arguments("llama-cpp", "/m.gguf", 40960), "-c", "40960"));
  EXPECT_FALSE(std::ranges::contains(arguments("llama-cpp", "/m.gguf"), "-c"));
}

TEST_F(ServerKinds, TakeAFolderAndSayWhatElseTheyWereGiven) {
  const ServerKind& mlx = *find_server_kind("mlx-lm");
  const fs::path folder = model("good", "{}");
  EXPECT_EQ(resolve_model(mlx, folder, environment()), folder.native());
  std::ofstream(home_.file("file.gguf")) << "x";
  const auto file = resolve_model(mlx, home_.file("file.gguf"), environment());
  ASSERT_FALSE(file);
  EXPECT_TRUE(file.error().contains("--mode local")) << file.error();
  const auto none = resolve_model(mlx, "org/no-such", environment());
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().contains("hf download org/no-such")) << none.error();
}

TEST_F(ServerKinds, FindAHubsNameInItsCache) {
  const fs::path snapshot =
      model("home/.cache/huggingface/hub/models--org--name/snapshots/0123abc", "{}");
  std::ofstream(snapshot / "model.safetensors") << "weights";
  EXPECT_EQ(resolve_model(*find_server_kind("mlx-lm"), "org/name", environment()),
            snapshot.native());
  const auto models = find_models(environment());
  ASSERT_EQ(models.size(), 1U);
  EXPECT_EQ(models.front().name, "org/name");
  EXPECT_EQ(models.front().bytes, 7U);
}

TEST_F(ServerKinds, ModelsOfOtherProgramsAreFound) {
  const auto write = [this](const std::string& name, const std::string& text) {
    fs::create_directories(home_.file(name).parent_path());
    std::ofstream(home_.file(name)) << text;
  };
  write("home/.lmstudio/models/org/repo/a-00001-of-00002.gguf", "1");
  write("home/.lmstudio/models/org/repo/a-00002-of-00002.gguf", "2");
  write("home/.lmstudio/models/org/repo/mmproj-a.gguf", "3");
  write(
      "home/.ollama/models/manifests/registry.ollama.ai/library/qwen3/8b",
      R"({"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:ab"}]})");
  write("home/.ollama/models/blobs/sha256-ab", "12345");
  const auto models = find_models(environment());
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].name, "org/repo/a-00001-of-00002");
  EXPECT_EQ(models[1].name, "qwen3:8b");
  EXPECT_EQ(models[1].bytes, 5U);
}

TEST_F(ServerKinds, AreAskedForTheModelAsTheyCallIt) {
  EXPECT_EQ(served_name(*find_server_kind("mlx-lm"), "/m/x"), "default_model");
  EXPECT_EQ(served_name(*find_server_kind("mlx-omni"), "/m/x"), "/m/x");
  EXPECT_EQ(served_name(*find_server_kind("vllm"), "/m/x"), "x") << "no slash for Claude Code";
  EXPECT_EQ(served_name(*find_server_kind("ollama"), "qwen3:8b"), "qwen3:8b");
}

} // namespace
} // namespace anyclaude::launch
