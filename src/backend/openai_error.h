#pragma once

#include "anthropic/error.h"
#include "backend/openai_dialect.h"
#include "upstream/client.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace anyclaude::backend {

/// A server as it is called in an error: "llama.cpp's server at http://127.0.0.1:8080".
std::string server_name(const OpenAiDialect& dialect, std::string_view base_url);

/// Sizes that a server names when it refuses a request as too long.
struct ContextRefusal {
  std::int64_t prompt = 0;  // tokens; 0: not told
  std::int64_t context = 0; // tokens
};

/// What a refusal's body says of it; nothing where it is refused for something else.
std::optional<ContextRefusal> context_refusal(std::string_view body);

/// Tells the client of an error answer of a server. `body` may be anything.
anthropic::Error error_of_status(int status, std::string_view body, const OpenAiDialect& dialect,
                                 std::string_view base_url);

/// The same of an error object inside a stream.
anthropic::Error error_in_stream(std::string_view message, const OpenAiDialect& dialect,
                                 std::string_view base_url);

/// Tells the client that no answer came. `tries`: how often it was asked.
anthropic::Error error_of_failure(const upstream::Failure& failure, int tries,
                                  const OpenAiDialect& dialect, std::string_view base_url);

/// The words of an error's body, in whatever shape it comes, cut to what a person reads.
std::string error_text(std::string_view body);

} // namespace anyclaude::backend
