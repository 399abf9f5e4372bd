#pragma once

#include <nlohmann/json_fwd.hpp>

namespace anyclaude {

/// JSON that keeps the order of keys: the order of a tool's schema is part of the prompt, and a
/// prompt that changes its order is computed again.
using Json = nlohmann::ordered_json;

} // namespace anyclaude
