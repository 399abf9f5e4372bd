#pragma once

#include <array>
#include <cstddef>
#include <optional>

namespace anyclaude::engine {

/// What large batches of parts of prompts cost now: each token a share for itself and one for every
/// cell that it attends to, which are the tokens before it in its sequence. How well a batch fills
/// the kernels' tiles and the threads depends on its size, so each size has shares of its own.
/// They are learned from the batches that are computed anyway, the last dozen counting most, so
/// that they follow a machine that slows down. Times are milliseconds.
class BatchCosts {
 public:
  /// Batches of this size and its doubles are told apart; smaller ones say nothing about larger.
  static constexpr std::size_t kSmallest = 64; // tokens

  /// A batch of `tokens` took `milliseconds`; together they attend to `cells` cells.
  void observe(std::size_t tokens, double cells, double milliseconds);

  /// Of a batch of `tokens` that attend to `cells` cells each. Of a size not seen yet with about so
  /// many cells the next larger one tells, or else the next smaller one; nothing is known before
  /// the first batch.
  std::optional<double> batch(std::size_t tokens, double cells) const;

  /// Whether batches of this very size were seen, with about so many cells for each token.
  bool knows(std::size_t tokens, double cells) const {
    return sizes_.at(place(tokens)).known_at(cells);
  }

 private:
  class Fit {
   public:
    void add(double cells, double milliseconds); // for each token
    bool known() const { return weight_ > 0; }
    bool known_at(double cells) const;
    double token(double cells) const;

   private:
    bool is_distinct() const;

    // Sums over batches, and over products, of cells (c) and time (t).
    double weight_ = 0, c_ = 0, cc_ = 0, t_ = 0, ct_ = 0;
  };

  std::size_t place(std::size_t tokens) const;

  std::array<Fit, 5> sizes_; // 64, 128, 256, 512, and 1024 or more
};

} // namespace anyclaude::engine
