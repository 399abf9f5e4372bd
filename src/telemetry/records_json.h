#pragma once

#include "anthropic/json.h"
#include "telemetry/periods.h"

#include <optional>
#include <vector>

/// Records as JSON, fields by their names.
namespace anyclaude::telemetry {

/// To the microsecond; null where there is none.
Json milliseconds(const std::optional<double>& value);

/// An array with one object per record, without the session.
Json records_json(const std::vector<RequestRecord>& records);

Json to_json(const Period& period);

} // namespace anyclaude::telemetry
