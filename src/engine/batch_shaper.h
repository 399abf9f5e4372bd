#pragma once

#include <cstddef>
#include <optional>

namespace anyclaude::engine {

/// Knows when a small batch is computed sooner with throw-away tokens in it.
///
/// On a CPU, ggml's flash attention has a tiled kernel for batches of at least 64 tokens; smaller
/// ones take a path that costs several times as much per token and cell (ggml-cpu/ops.cpp,
/// GGML_FA_TILE_Q). A follow-up of 20 tokens behind a prompt of 18,000 is exactly such a batch.
/// Whether 64 tokens are cheaper than 20 depends on the model's shape and the length of the
/// context, so it is measured: prompts that are computed anyway give the cost of a token and of a
/// cell with the tiled kernel, and two sizes of probes, computed once while nothing else is to do,
/// give the rest. Times are milliseconds, spans are cells that attention looks at.
class BatchShaper {
 public:
  static constexpr int kTile = 64; // tokens

  /// A batch of `tokens` took `milliseconds` with `span` cells in use.
  void observe(int tokens, std::size_t span, double milliseconds);

  /// Throw-away tokens to add to a batch; 0 as long as nothing is known.
  int padding(int tokens, std::size_t span) const;

  /// Size of a probe that should be computed now, if there is time.
  std::optional<int> wanted_probe(std::size_t span) const;

 private:
  /// A line through points, later ones counting more.
  class Line {
   public:
    void add(double x, double y);
    bool known() const;
    double slope() const; // not negative
    double at(double x) const;

   private:
    double weight_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
  };
  struct Point {
    double span = 0;
    double milliseconds = 0;
    int count = 0; // measurements; the least of the first ones counts
    void take(double at, double measured);
  };

  double token_cost() const; // without attention
  double small_batch(int tokens, std::size_t span) const;
  double tile(std::size_t span) const;
  bool ready() const;

  Line prefill_; // milliseconds for each token of large batches, by span
  Point small_;  // a token's share of a small batch
  Point tile_;   // a batch of kTile
};

} // namespace anyclaude::engine
