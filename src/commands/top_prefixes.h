#pragma once

#include "anthropic/json.h"

#include <ftxui/dom/elements.hpp>

namespace anyclaude::commands {

/// The tree of prefixes in the daemon's state, a line for each stretch of tokens: how many, where
/// they stand in the prompt and where they are kept, as a bar, and who shares them. In so many
/// columns and at most so many rows, the heading among them; 0: as many as there are.
ftxui::Element top_prefixes(const Json& state, int columns, int rows);

/// Rows that it has where nothing is left out.
int prefix_rows(const Json& state);

} // namespace anyclaude::commands
