#pragma once

#include "launch/paths.h"

#include <expected>
#include <filesystem>
#include <string>

namespace anyclaude::launch {

/// Finds the Claude Code program: `explicit_path` when given, else PATH, else the places its
/// installers use (~/.local/bin, ~/.claude/local, npm's global folders). The error says what was
/// looked for and how to install it.
std::expected<std::filesystem::path, std::string>
find_claude(const std::string& explicit_path,
            const EnvironmentLookup& environment = process_environment);

} // namespace anyclaude::launch
