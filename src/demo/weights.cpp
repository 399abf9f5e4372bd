#include "demo/weights.h"

#include "demo/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <format>
#include <ranges>

namespace anyclaude::demo {

namespace {

/// The logit of a script's next token.
constexpr float kCertainLogit = 128.0F;
/// Codes may agree in this share of their length more than chance; the rest is the gap in the
/// logits.
constexpr double kMostCorrelation = 0.5;
/// How much ordinary tokens' embeddings differ, so that their keys and values differ as well.
constexpr float kVariety = 0.25F;

} // namespace

std::expected<Weights, std::string> Weights::make(const Shape& shape, const Vocabulary& vocabulary,
                                                  bool random, std::uint64_t seed) {
  Weights weights(shape, vocabulary, random, seed);
  weights.tensors_ = plan_tensors(shape, vocabulary.size(), random);
  if (!random && !weights.make_codes()) {
    return std::unexpected(std::format("the scripts have too many pieces ({}) for a model with {} "
                                       "dimensions; shorten them or choose a larger size",
                                       vocabulary.states - 1, shape.embedding));
  }
  return weights;
}

bool Weights::make_codes() {
  constexpr int kAttempts = 100;
  Random random(seed_, "codes");
  while (codes_.size() < vocabulary_->states) {
    Code code(shape_.embedding / 64);
    int attempt = 0;
    do {
      if (attempt++ == kAttempts)
        return false;
      std::ranges::generate(code, [&] { return random.next(); });
    } while (!is_far_from_others(code));
    codes_.push_back(std::move(code));
  }
  return true;
}

bool Weights::is_far_from_others(const Code& code) const {
  const auto most = static_cast<int>(kMostCorrelation * shape_.embedding);
  return std::ranges::none_of(codes_, [&](const Code& other) {
    int different = 0;
    for (const auto& [bits, others] : std::views::zip(code, other))
      different += std::popcount(bits ^ others);
    return static_cast<int>(shape_.embedding) - 2 * different > most;
  });
}

void Weights::rows(const TensorPlan& tensor, std::int64_t first, std::span<float> values) const {
  const auto columns = static_cast<std::size_t>(tensor.columns);
  for (std::size_t i = 0; i < values.size() / columns; ++i) {
    const std::span<float> row = values.subspan(i * columns, columns);
    const std::int64_t index = first + static_cast<std::int64_t>(i);
    switch (tensor.fill) {
    case Fill::constant:
      std::ranges::fill(row, tensor.value);
      break;
    case Fill::normal:
      normal_row(tensor, index, row);
      break;
    case Fill::embedding:
      embedding_row(static_cast<std::size_t>(index), row);
      break;
    case Fill::output:
      output_row(static_cast<std::size_t>(index), row);
      break;
    }
  }
}

void Weights::normal_row(const TensorPlan& tensor, std::int64_t index, std::span<float> row) const {
  Random random(seed_ + static_cast<std::uint64_t>(index), tensor.name);
  for (float& value : row)
    value = random.normal() * tensor.value;
}

void Weights::embedding_row(std::size_t token, std::span<float> row) const {
  Random random(seed_ + token, "token_embd");
  if (random_) {
    for (float& value : row)
      value = random.normal();
    return;
  }
  const std::uint32_t state = vocabulary_->successor[token];
  const Code& code = codes_[state];
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = ((code[i / 64] >> (i % 64)) & 1U) != 0 ? 1.0F : -1.0F;
    if (state == 0)
      row[i] += kVariety * random.normal();
  }
}

void Weights::output_row(std::size_t token, std::span<float> row) const {
  std::ranges::fill(row, 0.0F);
  if (random_) {
    // Tokens without a text would only be sampled to no effect: their logits stay 0.
    if (vocabulary_->types[token] == TokenType::unused)
      return;
    Random random(seed_ + token, "output");
    const float deviation = 1.0F / std::sqrt(static_cast<float>(row.size()));
    for (float& value : row)
      value = random.normal() * deviation;
    return;
  }
  const auto& state = vocabulary_->own_state[token];
  if (!state)
    return;
  const float scale = kCertainLogit / static_cast<float>(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = ((codes_[*state][i / 64] >> (i % 64)) & 1U) != 0 ? scale : -scale;
  }
}

} // namespace anyclaude::demo
