#pragma once

namespace anyclaude::commands {

/// Reads the command line, runs the command and returns the exit status: 2 for a command line that
/// cannot be understood.
int run_command_line(int argc, char** argv);

} // namespace anyclaude::commands
