#pragma once

#include "anthropic/json.h"
#include "launch/claude_settings.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <expected>
#include <string>

/// One request at a time to a gateway, as a client of the Messages API sends it.
namespace anyclaude::bench {

struct Answer {
  double ttft_ms = 0; // request sent until the first piece of thinking, text or a call
  Json content;       // its blocks, as the next request of the conversation says them again
};

/// Streams the answer to its end. `body` is a request with "stream" set. The error is the server's
/// own words, or says how the connection failed. Any thread.
std::expected<Answer, std::string> ask_for_message(const launch::ClaudeConnection& connection,
                                                   const std::string& body);

/// How many tokens the request's prompt has, or is estimated to have.
std::expected<std::int64_t, std::string> count_tokens(const launch::ClaudeConnection& connection,
                                                      const std::string& body);

} // namespace anyclaude::bench
