#pragma once

#include "commands/bench.h"

#include <expected>
#include <string>

namespace CLI {
class App;
}

namespace anyclaude::commands {

/// Adds what concerns the measurement; what concerns the daemon, the caller adds.
void add_bench_options(CLI::App& app, BenchOptions& options);

/// Fills in what depends on what was said; `app` has been parsed. The error says what does not go
/// together.
std::expected<void, std::string> complete(BenchOptions& options, const CLI::App& app);

/// "--model demo": the demo model, made anew below the cache folder.
inline constexpr const char* kDemoModel = "demo";
std::expected<std::string, std::string> make_bench_model(const launch::Paths& paths);

} // namespace anyclaude::commands
