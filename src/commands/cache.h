#pragma once

#include <filesystem>

/// `anyclaude cache`: the block files of all models below one folder. They may be written and
/// removed by a running daemon meanwhile, which takes no harm from any of this. Each function
/// returns the exit status.
namespace anyclaude::commands {

int print_cache_totals(const std::filesystem::path& folder);

/// One line for each prefix that was kept to its end.
int list_cache(const std::filesystem::path& folder);

/// Reads and checks everything; 1 when something is damaged and stays.
int verify_cache(const std::filesystem::path& folder, bool repair);

int clear_cache(const std::filesystem::path& folder);

} // namespace anyclaude::commands
