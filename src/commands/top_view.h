#pragma once

#include "anthropic/json.h"

#include <ftxui/dom/elements.hpp>

#include <string>

namespace anyclaude::commands {

/// What gets the room below the first lines.
enum class TopPart { all, prefixes, ended };

/// What `anyclaude top` shows of the daemon's state (dashboard::state_json), in so many columns and
/// rows; 0 rows: as many as it takes. Texts that came from elsewhere cannot move the cursor:
/// control characters are taken out.
ftxui::Element top_view(const Json& state, int columns, int rows, TopPart part = TopPart::all);

/// The same as lines of plain text, for a file or a pipe; `rows` cuts it off, 0 does not.
std::string top_text(const Json& state, int columns, int rows = 0);

} // namespace anyclaude::commands
