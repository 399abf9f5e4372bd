#pragma once

#include "launch/paths.h"

namespace anyclaude::commands {

/// `anyclaude top`: what the running daemon does, at the terminal, until q is pressed or the daemon
/// ends. Where standard output is no terminal, what there is now is printed once. Returns the exit
/// status.
int show_top(const launch::Paths& paths);

} // namespace anyclaude::commands
