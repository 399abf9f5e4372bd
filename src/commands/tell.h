#pragma once

#include <string>

namespace anyclaude::commands {

/// "anyclaude: SENTENCE" on standard error.
void tell(const std::string& sentence);

/// The same for a command that ends with it: returns `status`.
int fail(const std::string& sentence, int status = 1);

} // namespace anyclaude::commands
