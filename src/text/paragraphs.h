#pragma once

#include <string>
#include <string_view>

namespace anyclaude::text {

/// Whether there is nothing in it but blanks and line ends.
bool is_blank(std::string_view text);

/// Puts texts together as paragraphs.
void add_paragraph(std::string& text, std::string_view more);

} // namespace anyclaude::text
