#pragma once

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace anyclaude::bench {

/// The first request of a conversation, with a place for the person's words.
class Prompt {
 public:
  /// Of Claude Code's shape, with none of its words (see synthetic_request). `scale` is how long
  /// its texts are beside Claude Code's own; `more` characters are added to the last one.
  static Prompt synthetic(double scale, std::size_t more = 0);

  /// A request that some client sent for these words. The error says that they are not in it.
  static std::expected<Prompt, std::string> captured(std::string_view body, std::string_view words);

  /// The request with other words. `mark` is put in front of every text that a conversation may
  /// begin with (tools and system), so that requests with different marks share nothing.
  Json request(std::string_view words, std::string_view mark) const;

 private:
  explicit Prompt(Json request) : request_(std::move(request)) {}
  Json request_; // with kWords in the person's place
};

} // namespace anyclaude::bench
