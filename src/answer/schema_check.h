#pragma once

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace anyclaude::answer {

/// What is wrong with a value by its JSON Schema, such as "options.count: less than the minimum 1";
/// nothing where it is valid. Checked are the keywords of JSON Schema 2020-12 but for `pattern`
/// (a pattern that a stranger wrote can take forever), `format`, `uniqueItems`, `contains`,
/// `dependent*`, `if` and `unevaluated*`. Keywords that make no sense are passed over.
std::optional<std::string> schema_violation(const Json& value, const Json& schema);

} // namespace anyclaude::answer
