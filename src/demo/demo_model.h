#pragma once

#include "demo/script.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace anyclaude::demo {

/// Shapes of demo models.
enum class Size {
  nano,       ///< 2 layers x 256, f16: as little as is possible, for tests of long prompts.
  tiny,       ///< 4 layers x 256, f16: starts in an instant, for tests.
  small,      ///< 8 layers x 512, f16.
  qwen3_0_6b, ///< Qwen3-0.6B's shape, q8_0, its vocabulary size included: real cost per token.
};

/// "nano", "tiny", "small" or "0.6b"; none for anything else.
std::optional<Size> parse_size(std::string_view name);
std::string_view size_name(Size size);
/// Numbers that stand for a token in a model of this size.
std::uint32_t embedding_width(Size size);

/// One of each kind of memory that libllama has, and one whose images have positions of their own.
enum class Architecture {
  qwen3,   ///< Full attention.
  qwen3vl, ///< The same with M-RoPE: a token of an image has a place in two dimensions.
  gemma3,  ///< Half of the layers see a sliding window: 32 tokens (tiny), 512 (small), 1,024.
  mamba,   ///< Recurrent: a state of fixed size instead of keys and values.
  lfm2,    ///< Hybrid: short convolutions and full attention by turns.
};
inline constexpr Architecture kArchitectures[] = {Architecture::qwen3, Architecture::qwen3vl,
                                                  Architecture::gemma3, Architecture::mamba,
                                                  Architecture::lfm2};

/// The name that a GGUF file gives it; none for anything else.
std::optional<Architecture> parse_architecture(std::string_view name);
std::string_view architecture_name(Architecture architecture);

struct ModelOptions {
  Size size = Size::tiny;
  Architecture architecture = Architecture::qwen3;
  /// True: random weights, whose logits depend on every token of the prompt; for questions of
  /// exactness. False: the script is answered with certainty, whatever the KV cache holds; it
  /// proves the protocol only.
  bool random = false;
  std::uint64_t seed = 1;
  /// What a scripted model answers; none: default_script(). Must be none when `random` is set.
  std::optional<ScriptFile> script;
  std::uint32_t context_length = 131'072; ///< Tokens.
  /// Called on the calling thread, a few times a second at most, with bytes written and in all.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

/// Writes a GGUF model. The file appears under its name only when it is complete; equal options
/// give equal bytes. Takes well under a second for tiny and some seconds for 0.6b, and never
/// holds more than one tensor's part in memory. An error says what went wrong with which path.
std::expected<void, std::string> write_demo_model(const ModelOptions& options,
                                                  const std::filesystem::path& out);

/// Whether a model of this name (general.name) was made here.
bool is_demo_model(std::string_view name);

} // namespace anyclaude::demo
