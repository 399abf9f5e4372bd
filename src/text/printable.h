#pragma once

#include <string>
#include <string_view>

/// Texts from elsewhere (names of models, words of servers, a file's contents) on a terminal: a
/// control character in them could move the cursor, change the title or answer for the person.
namespace anyclaude::text {

/// The text with U+FFFD for every control character (C0 but for line end and tab, DEL, C1) and for
/// every one that turns the direction of writing (U+202A to U+202E, U+2066 to U+2069).
std::string printable(std::string_view text);

/// The same on one line: a blank for a line end or a tab.
std::string printable_line(std::string_view text);

} // namespace anyclaude::text
