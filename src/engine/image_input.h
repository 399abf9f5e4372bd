#pragma once

#include "kv/image_tokens.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace anyclaude::engine {

using kv::Token;

/// Where one of an image's tokens stands: time, column and row, counted from the image's first
/// position.
struct ImagePlace {
  std::int32_t t = 0, x = 0, y = 0;
};

/// One span of an image's tokens on its way into a model, with what the projector makes of it. That
/// takes long and is of no use where the cells are there already, so it is made when it is wanted.
/// Thread-safe.
class ImageInput {
 public:
  virtual ~ImageInput() = default;

  const std::vector<Token>& tokens() const { return tokens_; }
  /// One for each token with M-RoPE; empty where they stand one behind the other.
  const std::vector<ImagePlace>& places() const { return places_; }
  /// Whether each token sees only those in front of it. Otherwise all see each other, and must be
  /// computed at once.
  bool is_causal() const { return is_causal_; }

  enum class State { coming, ready, failed };
  /// Begins to make the embedding unless it is made or being made. Returns at once.
  virtual State want() = 0;
  /// Until it is made, or for so long.
  virtual void wait(std::chrono::milliseconds at_most) = 0;
  /// Token by token, once it is ready; stays valid as long as this does.
  virtual std::span<const float> embedding() const = 0;

 protected:
  ImageInput(std::vector<Token> tokens, std::vector<ImagePlace> places, bool is_causal)
      : tokens_(std::move(tokens)), places_(std::move(places)), is_causal_(is_causal) {}

 private:
  std::vector<Token> tokens_;
  std::vector<ImagePlace> places_;
  bool is_causal_;
};

/// An image among a prompt's tokens.
struct PlacedImage {
  int begin = 0;
  std::shared_ptr<ImageInput> input;
};

} // namespace anyclaude::engine
