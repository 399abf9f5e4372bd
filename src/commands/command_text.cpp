#include "commands/command_text.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <ranges>

namespace anyclaude::commands {

namespace {

constexpr std::string_view kChoices = "one of ";
constexpr char kBetween = '|';

/// Checks have no place for names, but they have a name.
std::string name_for(const std::vector<std::string>& names) {
  std::string joined(kChoices);
  for (const std::string& name : names)
    joined += (&name == &names.front() ? "" : std::string(1, kBetween)) + name;
  return joined;
}

/// The names that one_of() was given, from the name of its check.
std::vector<std::string> choices_of(CLI::Option& option) {
  std::vector<std::string> choices;
  try {
    const std::string& name = option.get_validator(0)->get_name();
    if (name.starts_with(kChoices))
      for (const auto choice : std::views::split(name.substr(kChoices.size()), kBetween))
        choices.emplace_back(choice.begin(), choice.end());
  } catch (const CLI::OptionNotFound&) { // it takes anything
  }
  return choices;
}

OptionText text_of(CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_snames())
    text.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames())
    text.names.push_back("--" + name);
  if (text.names.empty())
    text.names.push_back(option.get_name(true));
  if (option.get_items_expected_max() > 0)
    text.value = text.is_positional() ? text.names.front() : option.get_type_name();
  text.description = option.get_description();
  text.choices = choices_of(option);
  return text;
}

} // namespace

bool OptionText::takes_file() const {
  return value == "FILE" || value == "FOLDER" || value == "MODEL" || value.ends_with(".json");
}

CommandText text_of(CLI::App& app) {
  CommandText text{app.get_name(), app.get_description(), {}, {}};
  for (CLI::Option* option : app.get_options([](CLI::Option*) { return true; }))
    if (!option->get_group().empty())
      text.options.push_back(text_of(*option));
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    if (!command->get_group().empty())
      text.commands.push_back(text_of(*command));
  return text;
}

CLI::Validator one_of(const std::vector<std::string>& names) {
  return CLI::IsMember(names).description("").name(name_for(names));
}

CLI::Validator suggested(const std::vector<std::string>& names) {
  return CLI::Validator([](std::string&) { return std::string(); }, "", name_for(names));
}

} // namespace anyclaude::commands
