#include "text/paragraphs.h"

namespace anyclaude::text {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void add_paragraph(std::string& text, std::string_view more) {
  if (!text.empty())
    text += "\n\n";
  text += more;
}

} // namespace anyclaude::text
