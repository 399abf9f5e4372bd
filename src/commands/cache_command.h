#pragma once

#include "commands/cache.h"
#include "commands/cache_warm.h"

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace anyclaude::commands {

/// What the command line says behind `anyclaude cache`.
struct CacheOptions {
  bool repair = false;
  PruneOptions prune;
  std::uint64_t prune_bytes = 0;
  ExportOptions exporting;
  ImportOptions importing;
  std::string key; // to trust
  WarmOptions warm;
  std::string model; // to warm for
};

void add_cache_command(CLI::App& app, CacheOptions& options);

/// `options` is complete, warm.daemon too.
int run_cache_command(const CLI::App& cache, CacheOptions options, const launch::Paths& paths);

} // namespace anyclaude::commands
