#pragma once

#include "anthropic/json.h"

#include <ftxui/dom/elements.hpp>

#include <string>

namespace anyclaude::commands {

/// What `anyclaude top` shows of the daemon's state (dashboard::state_json), in so many columns.
/// Texts that came from elsewhere cannot move the cursor: control characters are taken out.
ftxui::Element top_view(const Json& state, int columns);

/// The same as lines of plain text, for a file or a pipe; `rows` cuts it off, 0 does not.
std::string top_text(const Json& state, int columns, int rows = 0);

} // namespace anyclaude::commands
