#pragma once

#include "text/kept_key.h"

#include <string>
#include <string_view>

namespace anyclaude::answer {

/// Signs the thinking blocks that are made here, with a key that nobody else has. A block that
/// comes back is known as ours, as ours and edited, or as somebody else's. Immutable, thread-safe.
class ThinkingSeal {
 public:
  /// With a key of its own, which ends with the process.
  ThinkingSeal();
  explicit ThinkingSeal(const text::Key& key);

  /// Which key it is, and the keyed BLAKE3 of the text, 128 bits.
  std::string sign(std::string_view thinking) const;

  enum class Origin { ours, edited, foreign };
  Origin origin(std::string_view thinking, std::string_view signature) const;

 private:
  text::Key key_;
  std::string prefix_; // of its signatures
};

} // namespace anyclaude::answer
