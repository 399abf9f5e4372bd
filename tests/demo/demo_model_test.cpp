#include "demo/demo_model.h"
#include "demo/gguf_file.h"

#include <gmock/gmock.h>

namespace anyclaude::demo {
namespace {

using testing::HasSubstr;

std::string written(const ModelOptions& options) {
  const ScratchFolder folder;
  const auto result = write_demo_model(options, folder / "model.gguf");
  EXPECT_TRUE(result) << result.error();
  return read_bytes(folder / "model.gguf");
}

TEST(DemoModel, HasTheSameBytesForTheSameOptions) {
  for (const bool random : {false, true}) {
    ModelOptions options;
    options.random = random;
    const std::string first = written(options);
    EXPECT_TRUE(first == written(options));
    options.seed = 2;
    EXPECT_FALSE(first == written(options));
  }
}

TEST(DemoModel, ReportsProgressUpToTheWholeFile) {
  const ScratchFolder folder;
  ModelOptions options;
  std::uint64_t last = 0;
  std::uint64_t all = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GT(done, last);
    last = done;
    all = total;
  };
  ASSERT_TRUE(write_demo_model(options, folder / "model.gguf"));
  EXPECT_GT(last, 0U);
  EXPECT_EQ(last, all);
}

TEST(DemoModel, ReplacesAFileOnlyWhenItIsComplete) {
  const ScratchFolder folder;
  write_bytes(folder / "model.gguf", "old");
  ModelOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_LE(done, total);
    EXPECT_EQ(read_bytes(folder / "model.gguf"), "old");
  };
  ASSERT_TRUE(write_demo_model(options, folder / "model.gguf"));
  EXPECT_TRUE(read_bytes(folder / "model.gguf").starts_with("GGUF"));
  const auto entries = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1); // nothing temporary is left
}

TEST(DemoModel, SaysWhyItCannotWrite) {
  const ScratchFolder folder;
  const auto nowhere = write_demo_model({}, folder / "missing/model.gguf");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error(), "cannot write " + (folder / "missing/model.gguf").string() +
                                 ": No such file or directory");

  std::filesystem::create_directories(folder / "folder.gguf/inside");
  const auto folder_there = write_demo_model({}, folder / "folder.gguf");
  ASSERT_FALSE(folder_there);
  EXPECT_THAT(folder_there.error(), HasSubstr("cannot write"));
  const auto entries = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(DemoModel, RefusesAScriptWithRandomWeights) {
  const ScratchFolder folder;
  ModelOptions options;
  options.random = true;
  options.script = default_script();
  const auto result = write_demo_model(options, folder / "model.gguf");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(),
            "a model with random weights cannot follow a script; choose one of the two");
}

TEST(DemoModel, SizesHaveNames) {
  for (const Size size : {Size::nano, Size::tiny, Size::small, Size::qwen3_0_6b})
    EXPECT_EQ(parse_size(size_name(size)), size);
  EXPECT_FALSE(parse_size("huge"));
}

} // namespace
} // namespace anyclaude::demo
