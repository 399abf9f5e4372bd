#pragma once

#include "launch/paths.h"

namespace anyclaude::commands {

/// `anyclaude ui`: opens the running daemon's dashboard in the browser, and prints its address.
/// Returns the exit status.
int open_dashboard(const launch::Paths& paths);

} // namespace anyclaude::commands
