#include "commands/tell.h"

#include <cstdio>

namespace anyclaude::commands {

void tell(const std::string& sentence) {
  std::fprintf(stderr, "anyclaude: %s\n", sentence.c_str());
}

int fail(const std::string& sentence, int status) {
  tell(sentence);
  return status;
}

} // namespace anyclaude::commands
