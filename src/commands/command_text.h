#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Validator;
} // namespace CLI

namespace anyclaude::commands {

struct OptionText {
  std::vector<std::string> names; // "-o", "--output"; of what has no name, its place: "FILE"
  std::string value;              // what it takes: "FILE", "N"; empty: nothing
  std::string description;
  std::vector<std::string> choices; // that it takes; empty: anything

  bool is_positional() const { return !names.front().starts_with('-'); }
  /// Whether what it takes is a file's or a folder's name.
  bool takes_file() const;
};

/// A command line as texts, for what is made from it: the manual page, the shells' completions.
struct CommandText {
  std::string name;
  std::string description;
  std::vector<OptionText> options; // and what has no name
  std::vector<CommandText> commands;
};

/// Hidden commands and options are left out.
CommandText text_of(CLI::App& app);

/// A check for one of these names, which the help does not list again and text_of() finds.
CLI::Validator one_of(const std::vector<std::string>& names);

/// The same names without the check: others will do as well.
CLI::Validator suggested(const std::vector<std::string>& names);

} // namespace anyclaude::commands
