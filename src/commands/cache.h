#pragma once

#include "launch/paths.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// `anyclaude cache`: what is kept of computed prompts and of sampled answers; see
/// docs/cache-command.md. A daemon that runs is told when its files were changed, and takes no harm
/// when it was not. Each function returns the exit status.
namespace anyclaude::commands {

/// Sizes, what was saved, and a picture of what shares what.
int print_cache_totals(const launch::Paths& paths);

/// One line for each prefix that was kept to its end.
int list_cache(const launch::Paths& paths);

/// Reads and checks everything; 1 when something is damaged and stays.
int verify_cache(const launch::Paths& paths, bool repair);

struct PruneOptions {
  std::optional<std::uint64_t> bytes; // of all models, at most
  std::string older_than;             // "30d", "12h" or "90m"; empty: no limit
};
int prune_cache(const launch::Paths& paths, const PruneOptions& options);

/// Removes all blocks of all models and all answers.
int clear_cache(const launch::Paths& paths);

struct ExportOptions {
  std::filesystem::path file;
  std::string model;          // its name, where several are kept
  bool conversations = false; // too
};
int export_cache(const launch::Paths& paths, const ExportOptions& options);

struct ImportOptions {
  std::filesystem::path file;
  bool trusts = false;              // whoever signed it
  std::vector<std::string> tenants; // to whom it is given
};
int import_cache(const launch::Paths& paths, const ImportOptions& options);

/// Prints the key that this person's exports are signed with, made when there is none.
int print_cache_key(const launch::Paths& paths);
/// `key` is one, or a file with one.
int trust_cache_key(const launch::Paths& paths, const std::string& key);

} // namespace anyclaude::commands
