#include "engine/batch_costs.h"

#include <algorithm>
#include <bit>

namespace anyclaude::engine {

namespace {

constexpr double kDecay = 0.9;       // of an older batch's weight
constexpr double kIndistinct = 0.02; // of the largest possible determinant

/// Below, a batch that is no whole size wastes too much of a tile to stand for one.
constexpr std::size_t kAnySize = 256; // tokens

/// So many times the cells seen are not too far away to go by what was seen.
constexpr double kNear = 1.5;

} // namespace

void BatchCosts::Fit::add(double cells, double milliseconds) {
  for (double* sum : {&weight_, &c_, &cc_, &t_, &ct_})
    *sum *= kDecay;
  weight_ += 1;
  c_ += cells;
  cc_ += cells * cells;
  t_ += milliseconds;
  ct_ += cells * milliseconds;
}

/// Whether the two shares can be told apart: not where all batches had about as many cells.
bool BatchCosts::Fit::is_distinct() const {
  return weight_ * cc_ - c_ * c_ > kIndistinct * weight_ * cc_;
}

bool BatchCosts::Fit::known_at(double cells) const {
  return known() && (is_distinct() || cells * weight_ <= kNear * c_);
}

/// Least squares of t = own + each c with neither share negative. Where they cannot be told apart,
/// a token is taken to cost in proportion to its cells where it has more of them, which is too much
/// rather than too little.
double BatchCosts::Fit::token(double cells) const {
  const double mean = t_ / weight_;
  if (!is_distinct())
    return c_ > 0 ? mean * std::max(1.0, cells * weight_ / c_) : mean;
  const double each = (weight_ * ct_ - c_ * t_) / (weight_ * cc_ - c_ * c_);
  const double own = (t_ - each * c_) / weight_;
  if (each < 0)
    return mean;
  return own < 0 ? ct_ / cc_ * cells : own + each * cells;
}

std::size_t BatchCosts::place(std::size_t tokens) const {
  const auto doubles = std::bit_width(std::max(tokens, kSmallest) / kSmallest) - 1;
  return std::min(static_cast<std::size_t>(doubles), sizes_.size() - 1);
}

void BatchCosts::observe(std::size_t tokens, double cells, double milliseconds) {
  if (tokens < kSmallest || (tokens < kAnySize && !std::has_single_bit(tokens)))
    return;
  const auto n = static_cast<double>(tokens);
  sizes_.at(place(tokens)).add(cells / n, milliseconds / n);
}

std::optional<double> BatchCosts::batch(std::size_t tokens, double cells) const {
  const std::size_t own = place(tokens);
  const Fit* found = nullptr;
  const auto look = [&](auto suits) {
    for (std::size_t i = own; i < sizes_.size() && !found; ++i)
      found = suits(sizes_.at(i)) ? &sizes_.at(i) : nullptr;
    for (std::size_t i = own; i > 0 && !found; --i)
      found = suits(sizes_.at(i - 1)) ? &sizes_.at(i - 1) : nullptr;
  };
  look([&](const Fit& fit) { return fit.known_at(cells); });
  look([](const Fit& fit) { return fit.known(); });
  if (!found)
    return std::nullopt;
  return static_cast<double>(tokens) * found->token(cells);
}

} // namespace anyclaude::engine
