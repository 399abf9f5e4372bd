#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

namespace anyclaude::answer {

/// Signs the thinking blocks that are made here, with a key that nobody else has. A block that
/// comes back is known as ours, as ours and edited, or as somebody else's. Immutable, thread-safe.
class ThinkingSeal {
 public:
  using Key = std::array<std::uint8_t, 32>;

  /// With a key of its own, which ends with the process.
  ThinkingSeal();
  explicit ThinkingSeal(const Key& key);

  /// The key in this file, which is made when it is not there, for its owner only; so blocks are
  /// known again by the next process. The error says what is wrong with the file.
  static std::expected<ThinkingSeal, std::string> kept_in(const std::filesystem::path& file);

  /// Which key it is, and the keyed BLAKE3 of the text, 128 bits.
  std::string sign(std::string_view thinking) const;

  enum class Origin { ours, edited, foreign };
  Origin origin(std::string_view thinking, std::string_view signature) const;

 private:
  Key key_;
  std::string prefix_; // of its signatures
};

} // namespace anyclaude::answer
