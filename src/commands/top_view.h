#pragma once

#include "anthropic/json.h"

#include <ftxui/dom/elements.hpp>

namespace anyclaude::commands {

/// What `anyclaude top` shows of the daemon's state (dashboard::state_json), in so many columns.
/// Texts that came from elsewhere cannot move the cursor: control characters are taken out.
ftxui::Element top_view(const Json& state, int columns);

} // namespace anyclaude::commands
