#pragma once

#include <string>
#include <string_view>

namespace anyclaude::dashboard {

/// Text for an element's content or a quoted attribute. What is no valid UTF-8 is replaced, control
/// characters are shown by their Unicode pictures.
std::string escaped(std::string_view text);

} // namespace anyclaude::dashboard
