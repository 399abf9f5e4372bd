#pragma once

namespace anyclaude::commands {

enum class ConfigQuestion { check, show, keys };

/// `anyclaude config …`. Returns 0, or 1 when config.toml cannot be used, with what is wrong.
int run_config_command(ConfigQuestion question);

} // namespace anyclaude::commands
