#pragma once

#include "anthropic/json.h"

#include <string>

namespace anyclaude::anthropic {

/// JSON on one line, as Json::dump() prints it; parts of strings that are no UTF-8 become U+FFFD.
/// Several times as fast, since text is copied in runs: a prompt is tens of kilobytes of it.
std::string json_text(const Json& json);

} // namespace anyclaude::anthropic
