#pragma once

#include <format>
#include <string>
#include <utility>

namespace anyclaude::commands {

/// What people are told. Much of it was said by others (names of models, words of servers): control
/// characters are left out.

/// "anyclaude: SENTENCE" on standard error.
void tell(const std::string& sentence);

/// The same for a command that ends with it: returns `status`.
int fail(const std::string& sentence, int status = 1);

/// A line on standard output, at once.
void say(const std::string& line);

/// Text on standard output.
void write_out(const std::string& text);
template <class... Arguments>
void print(std::format_string<Arguments...> format, Arguments&&... arguments) {
  write_out(std::format(format, std::forward<Arguments>(arguments)...));
}

} // namespace anyclaude::commands
