#pragma once

#include "launch/captured_process.h"
#include "launch/claude_settings.h"
#include "launch/paths.h"

#include <expected>
#include <filesystem>
#include <functional>
#include <string>

namespace anyclaude::commands {

/// One question through the installed Claude Code, headless, in this folder and with the person's
/// own settings: it sends what it sends them. `while_running` may be empty. The error says why it
/// could not be started. To be called with one thread.
std::expected<launch::Captured, std::string>
ask_headless(const launch::Paths& paths, const std::filesystem::path& program,
             const launch::ClaudeConnection& connection, const std::string& question,
             std::function<void()> while_running);

/// What it wrote last, for a message about its failure.
std::string end_of_output(const launch::Captured& run);

} // namespace anyclaude::commands
