#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace anyclaude::engine {

/// What an answer must look like from some place on.
struct Rule {
  std::string grammar; // GBNF; its first symbol is "root"
  std::string said;    // what the answer has of it already
  /// Whether nothing but the turn's end may follow. Otherwise the answer is free again behind it.
  bool last = false;
};

/// Says what one answer may go on with. Used by the engine's thread only.
class Constraint {
 public:
  virtual ~Constraint() = default;

  /// Asked before every token, with the bytes of the one before (none before the first): a rule
  /// that begins to hold now, or nothing: what held goes on to hold. Must take no time that grows
  /// with the answer.
  virtual std::optional<Rule> advance(std::string_view bytes) = 0;

  /// Whether the text of this control token is part of the answer. Others cannot be drawn while a
  /// rule holds.
  virtual bool shows(std::int32_t control_token) const = 0;
};

} // namespace anyclaude::engine
