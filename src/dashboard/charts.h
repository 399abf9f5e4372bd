#pragma once

#include "telemetry/stats.h"

#include <span>
#include <string>

/// Pictures as SVG, for people who would rather look than read. Colours come from the page's style.
namespace anyclaude::dashboard {

/// The time to the first token of each request, in order, on a logarithmic scale. Cold, warm and
/// partly reused prompts differ in shape as well as in colour.
std::string first_token_chart(std::span<const telemetry::RequestRecord> records);

/// Where the time of one request went, as a bar: waiting, prefill, answer. `longest_ms` is the
/// whole width.
std::string waterfall(const telemetry::RequestRecord& record, double longest_ms);

/// A share of something, as a bar.
std::string share_bar(std::int64_t part, std::int64_t whole);

} // namespace anyclaude::dashboard
