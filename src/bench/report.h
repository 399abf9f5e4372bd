#pragma once

#include "bench/result.h"

#include <string>

/// A result as people read it.
namespace anyclaude::bench {

/// "18,490-token prompt of Claude Code's shape, demo, mode local, 5 repeats"
std::string what_was_measured(const Result& result);

/// "830 us", "30.4 ms", "3.08 s", "74.2 s"
std::string short_time(double milliseconds);

/// For a terminal: what was measured, on what, and a line for each row.
std::string table(const Result& result);

/// The same for pasting into an issue or a page.
std::string markdown(const Result& result);

/// Two results side by side. A difference is called one only where the spread supports it (see
/// kSignificance); what else differs between them (machine, model, prompt …) stands above.
std::string comparison(const Result& a, const Result& b);

} // namespace anyclaude::bench
