#pragma once

#include "engine/image_input.h"
#include "engine/model.h"

#include <cstddef>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anyclaude::engine {

struct ImageEncoderOptions {
  std::filesystem::path projector; // an "mmproj" GGUF file
  int threads = 0;                 // 0: one for each physical core
  /// Where hashes of files are kept, so that they are made once; empty: nowhere.
  std::filesystem::path hashes;
};

/// An image as it stands in a prompt: the text tokens that a model wants around images, and the
/// spans of the image's own.
struct ImagePrompt {
  std::vector<Token> tokens;
  std::vector<PlacedImage> images; // in them, in order
};

/// Makes tokens and embeddings of images with a model's projector, through libmtmd. What an image
/// becomes is remembered by a hash of its data: its tokens always, its embeddings as far as there
/// is room. Encoding runs on a thread of its own, one image after the other. Thread-safe.
class ImageEncoder {
 public:
  static constexpr std::size_t kMostBytes = 10U << 20;       // of an image's file
  static constexpr int kMostPixels = 8000;                   // each way
  static constexpr std::size_t kRemembered = 4096;           // images' tokens
  static constexpr std::size_t kEmbeddingBytes = 256U << 20; // that are kept

  /// May take seconds. `model` must outlive the encoder. The error says what is wrong with the
  /// file, or that it is another model's.
  static std::expected<std::unique_ptr<ImageEncoder>, std::string>
  load(const Model& model, const ImageEncoderOptions& options);
  virtual ~ImageEncoder() = default;

  /// What stands for an image in a prompt. Decodes an image that was not seen before (some 10 ms
  /// for each megapixel) and encodes nothing. `base64` is shared as long as it may be needed. The
  /// error is a part of a sentence that says why the image cannot be used: "its base64 is damaged".
  virtual std::expected<ImagePrompt, std::string>
  read(std::shared_ptr<const std::string> base64) = 0;

  /// The most tokens that an image's span has; larger ones are refused.
  virtual int most_tokens() const = 0;
  /// Whether an image's tokens see each other.
  virtual bool undivided() const = 0;
};

} // namespace anyclaude::engine
