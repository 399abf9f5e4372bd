#pragma once

#include "demo/demo_model.h"
#include "demo/demo_projector.h"
#include "demo/gguf_file.h"
#include "engine/model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::engine {

/// Where this process keeps the models that it generates.
inline const demo::ScratchFolder& model_folder() {
  static const demo::ScratchFolder kFolder;
  return kFolder;
}

inline std::filesystem::path write_model(const demo::ModelOptions& options, const char* name) {
  auto path = model_folder() / name;
  const auto written = demo::write_demo_model(options, path);
  EXPECT_TRUE(written) << written.error();
  return path;
}

/// A model of random weights: its logits depend on every token that came before.
inline const std::filesystem::path& random_model_file() {
  static const auto kPath = [] {
    demo::ModelOptions options;
    options.random = true;
    return write_model(options, "random.gguf");
  }();
  return kPath;
}

/// One of another architecture.
inline std::filesystem::path random_model_file(demo::Architecture architecture) {
  demo::ModelOptions options;
  options.random = true;
  options.architecture = architecture;
  const auto name = std::string(demo::architecture_name(architecture)) + ".gguf";
  if (std::filesystem::exists(model_folder() / name.c_str()))
    return model_folder() / name.c_str();
  return write_model(options, name.c_str());
}

/// The projector that goes with it; not beside it, where it would be found.
inline std::filesystem::path projector_file(demo::Architecture architecture) {
  const auto name = "mmproj-" + std::string(demo::architecture_name(architecture)) + ".gguf";
  auto path = model_folder() / "projectors";
  std::filesystem::create_directories(path);
  path /= name;
  if (!std::filesystem::exists(path)) {
    const auto written = demo::write_demo_projector({.architecture = architecture}, path);
    EXPECT_TRUE(written) << written.error();
  }
  return path;
}

inline std::unique_ptr<Model> load_model(const std::filesystem::path& path) {
  auto model = Model::load({path});
  EXPECT_TRUE(model) << model.error();
  return model ? std::move(*model) : nullptr;
}

inline const Model& random_model() {
  static const std::unique_ptr<Model> kModel = load_model(random_model_file());
  return *kModel;
}

/// Ordinary tokens of a demo model, different for every seed.
inline std::vector<Token> random_words(std::uint32_t seed, int count) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  for (Token& token : tokens)
    token = static_cast<Token>(random() % 12'000); // the demo tokenizer's trained ones
  return tokens;
}

} // namespace anyclaude::engine
