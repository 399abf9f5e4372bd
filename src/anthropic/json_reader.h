#pragma once

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace anyclaude::anthropic {

/// Why a text is not JSON, and where.
struct JsonError {
  std::size_t byte = 0;   // offset from the start
  std::size_t line = 1;   // from 1
  std::size_t column = 1; // bytes, from 1
  std::string path;       // of the value that is broken, as schema errors name it; may be empty
  std::string reason;     // valid UTF-8, short; quotes nothing of the text

  /// "line 3, column 17 (byte 240), in messages.0.content: …"
  std::string to_string() const;
};

/// Nesting beyond this is refused: printing and copying JSON recurse.
inline constexpr int kMaxJsonDepth = 200;

/// Reads JSON that a stranger sent, in time linear in its length whatever its shape. Invalid UTF-8
/// is an error. Of duplicate keys the last one's value counts, at the place of the first, as in
/// JavaScript. Half of a surrogate pair becomes U+FFFD: JavaScript clients that cut a string in the
/// middle of an emoji write one, and resend it with every turn.
std::expected<Json, JsonError> read_json(std::string_view text);

} // namespace anyclaude::anthropic
