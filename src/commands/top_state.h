#pragma once

#include "anthropic/json.h"

#include <cstdint>
#include <string>

/// Reading the daemon's state (dashboard::state_json), which may be another version's: what is
/// missing or of another kind is nothing.
namespace anyclaude::commands {

std::int64_t number(const Json& object, const char* key);
double real(const Json& object, const char* key);

/// A time in milliseconds; "-" where there is none.
std::string time_of(const Json& object, const char* key);

/// On one line, without control characters.
std::string words(const Json& object, const char* key);

/// An empty one where there is none.
Json array(const Json& object, const char* key);

} // namespace anyclaude::commands
