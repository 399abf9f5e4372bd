#pragma once

#include <cstdint>
#include <numbers>
#include <string_view>

namespace anyclaude::demo {

/// SplitMix64. The distributions of <random> differ between standard libraries; a demo model must
/// not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// A stream of its own for each name, so that tensors do not depend on the order they are made
  /// in.
  Random(std::uint64_t seed, std::string_view name) : state_(seed) {
    for (const char c : name) {
      state_ ^= static_cast<unsigned char>(c);
      state_ = next();
    }
  }

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }

  /// Nearly normal: mean 0, standard deviation 1. The sum of four 16-bit uniforms, scaled; only
  /// exact integer and single rounding steps, so every machine gets the same value.
  float normal() {
    const std::uint64_t bits = next();
    const std::uint64_t sum =
        (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
    // Each uniform has a variance of 65536^2 / 12, so four of them a deviation of 65536 / sqrt(3).
    constexpr float kScale = std::numbers::sqrt3_v<float> / 65536.0F;
    return (static_cast<float>(sum) - 131070.0F) * kScale;
  }

 private:
  std::uint64_t state_;
};

} // namespace anyclaude::demo
