#pragma once

#include "demo/layers.h"
#include "demo/vocabulary.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::demo {

/// What a scripted model is made of: its residual stream is the last token's embedding alone,
/// because the projections that lead back into the stream are zero (and still multiplied in full).
/// The embedding of a token is the code (a random +1/-1 vector) of its successor state; the output
/// row of a token is its own state's code, scaled. So the successor's logit is 128 and every other
/// one is at least 40 lower, which makes it certain at any usual temperature.
class Weights {
 public:
  /// Fails when a script has more states than codes of this length can tell apart.
  static std::expected<Weights, std::string> make(const Shape& shape, const Vocabulary& vocabulary,
                                                  bool random, std::uint64_t seed);

  const std::vector<TensorPlan>& tensors() const { return tensors_; }
  /// Fills `values` with rows [first, first + values.size() / columns) of a tensor. The same rows
  /// come out whatever the split. `vocabulary` must still live.
  void rows(const TensorPlan& tensor, std::int64_t first, std::span<float> values) const;

 private:
  using Code = std::vector<std::uint64_t>; ///< A bit per dimension: set is +1, clear is -1.

  Weights(const Shape& shape, const Vocabulary& vocabulary, bool random, std::uint64_t seed)
      : shape_(shape), vocabulary_(&vocabulary), random_(random), seed_(seed) {}
  bool make_codes();
  bool is_far_from_others(const Code& code) const;
  void embedding_row(std::size_t token, std::span<float> row) const;
  void output_row(std::size_t token, std::span<float> row) const;
  void normal_row(const TensorPlan& tensor, std::int64_t index, std::span<float> row) const;

  Shape shape_;
  const Vocabulary* vocabulary_;
  bool random_;
  std::uint64_t seed_;
  std::vector<TensorPlan> tensors_;
  std::vector<Code> codes_; ///< By state.
};

} // namespace anyclaude::demo
