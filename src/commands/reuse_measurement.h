#pragma once

#include "upstream/client.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

namespace anyclaude::commands {

/// One question to a server that speaks OpenAI's API.
struct MeasuredAnswer {
  double first_token_s = 0;                  // from the sending to the first piece of the answer
  std::int64_t prompt_tokens = 0;            // 0: the server does not say
  std::optional<std::int64_t> cached_tokens; // nothing: it does not say
};

/// The same long prefix twice, behind something that no server can have computed before.
struct ReuseMeasurement {
  MeasuredAnswer cold;
  MeasuredAnswer warm;
};

/// What a server answered that is no answer.
struct RefusedMeasurement {
  int status = 0;      // of HTTP; 0: the connection failed
  std::string message; // the server's own words, cut
};

/// Takes as long as the server computes, at most ten minutes for each of the two. The request
/// brings one tool, as Claude Code's do.
std::expected<ReuseMeasurement, RefusedMeasurement>
measure_reuse(upstream::Client& client, const std::string& url, const std::string& model,
              const std::string& api_key, int prompt_tokens);

} // namespace anyclaude::commands
