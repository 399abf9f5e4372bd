#include "answer/identifier.h"

#include "text/random_text.h"

namespace anyclaude::answer {

std::string new_tool_use_id() {
  return "toolu_" + text::random_text(24);
}

std::string new_server_tool_use_id() {
  return "srvtoolu_" + text::random_text(24);
}

} // namespace anyclaude::answer
