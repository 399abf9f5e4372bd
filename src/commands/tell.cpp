#include "commands/tell.h"

#include "text/printable.h"

#include <cstdio>

namespace anyclaude::commands {

void tell(const std::string& sentence) {
  std::fprintf(stderr, "anyclaude: %s\n", text::printable(sentence).c_str());
}

int fail(const std::string& sentence, int status) {
  tell(sentence);
  return status;
}

void say(const std::string& line) {
  std::puts(text::printable(line).c_str());
  std::fflush(stdout);
}

void write_out(const std::string& text) {
  std::fputs(text::printable(text).c_str(), stdout);
}

} // namespace anyclaude::commands
