#include "commands/completions.h"

#include <algorithm>
#include <format>
#include <vector>

namespace anyclaude::commands {

namespace {

/// A command and the words that lead to it: "anyclaude cache export".
struct Place {
  std::string path;
  const CommandText* command;
};

void collect(const std::string& path, const CommandText& command, std::vector<Place>& places) {
  places.push_back({path, &command});
  for (const CommandText& next : command.commands)
    collect(path + " " + next.name, next, places);
}

std::vector<Place> places_of(const CommandText& program) {
  std::vector<Place> places;
  collect(program.name, program, places);
  return places;
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : between) + word;
  return text;
}

/// A word of a shell that stands for these very characters.
std::string in_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text)
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string first_sentence(const std::string& text) {
  return text.substr(0, std::min(text.find(". "), text.find(" [")));
}

// bash and zsh read what stands before the cursor alike.

/// The patterns under which `before` is an option of the command that takes a value.
std::string pattern(const Place& place, const OptionText& option) {
  std::vector<std::string> patterns;
  for (const std::string& name : option.names)
    patterns.push_back(std::format("\"{} {}\"", place.path, name));
  return joined(patterns, " | ");
}

/// The lines that find out in which command the cursor is.
std::string find_command(const std::vector<Place>& places) {
  std::vector<std::string> paths;
  for (const Place& place : places)
    if (place.command != places.front().command)
      paths.push_back(std::format("\"{}\"", place.path));
  return std::format("    case \"$at $word\" in\n      {}) at=\"$at $word\" ;;\n    esac\n",
                     joined(paths, " | "));
}

/// One `case` for each option that takes a value: `names` and `files` complete it.
std::string values(const std::vector<Place>& places, const char* names, const char* files) {
  std::string text;
  for (const Place& place : places)
    for (const OptionText& option : place.command->options) {
      if (option.is_positional() || option.value.empty())
        continue;
      const std::string how = !option.choices.empty()
                                  ? std::format("{} {}", names, joined(option.choices))
                              : option.takes_file() ? files
                                                    : ":";
      text += std::format("    {}) {}; return ;;\n", pattern(place, option), how);
    }
  return text;
}

/// What completes an argument without a name: empty where there is none.
std::string positional(const CommandText& command, const char* names, const char* files) {
  for (const OptionText& option : command.options)
    if (option.is_positional())
      return option.choices.empty() ? files : std::format("{} {}", names, joined(option.choices));
  return {};
}

std::vector<std::string> command_names(const CommandText& command) {
  std::vector<std::string> names;
  for (const CommandText& next : command.commands)
    names.push_back(next.name);
  return names;
}

std::vector<std::string> option_names(const CommandText& command) {
  std::vector<std::string> names;
  for (const OptionText& option : command.options)
    if (!option.is_positional())
      names.push_back(option.names.back());
  return names;
}

std::string bash_script(const CommandText& program) {
  const auto places = places_of(program);
  std::string text = R"(# bash completion for anyclaude, made by `anyclaude completions bash`.
_anyclaude_names() { COMPREPLY+=($(compgen -W "$*" -- "$current")); }
_anyclaude_files() {
  local file
  compopt -o filenames 2>/dev/null
  while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$current")
}
_anyclaude() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} at=anyclaude word
  COMPREPLY=()
  if [ "$current" = = ]; then current=; elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [ "$word" = -- ] && return
)";
  text += find_command(places) + "  done\n  case \"$at $before\" in\n";
  text += values(places, "_anyclaude_names", "_anyclaude_files") + "  esac\n  case $at in\n";
  for (const Place& place : places) {
    std::string others = positional(*place.command, "_anyclaude_names", "_anyclaude_files");
    if (!place.command->commands.empty())
      others = "_anyclaude_names " + joined(command_names(*place.command));
    const std::string options = "_anyclaude_names " + joined(option_names(*place.command));
    text += std::format(
        "    \"{}\") {} ;;\n", place.path,
        others.empty() ? options
                       : std::format("case $current in -*) {} ;; *) {} ;; esac", options, others));
  }
  return text + "  esac\n}\ncomplete -F _anyclaude anyclaude\n";
}

/// "name:description", as zsh's _describe wants it.
std::string described(const std::string& name, const std::string& description) {
  std::string escaped;
  for (const char c : name + "\n" + first_sentence(description))
    escaped += c == ':' ? "\\:" : c == '\n' ? ":" : std::string(1, c);
  return in_quotes(escaped);
}

std::string zsh_script(const CommandText& program) {
  const auto places = places_of(program);
  std::string text = R"(#compdef anyclaude
# zsh completion for anyclaude, made by `anyclaude completions zsh`.
_anyclaude() {
  local before=${words[CURRENT-1]} at=anyclaude word
  local -a found options
  for word in ${words[2,CURRENT-1]}; do
    [[ $word == -- ]] && return
)";
  text += find_command(places) + "  done\n  case \"$at $before\" in\n";
  text += values(places, "compadd", "_files") + "  esac\n  case $at in\n";
  for (const Place& place : places) {
    text += std::format("    \"{}\")\n      found=(\n", place.path);
    for (const CommandText& next : place.command->commands)
      text += "        " + described(next.name, next.description) + "\n";
    text += "      )\n      options=(\n";
    for (const OptionText& option : place.command->options)
      if (!option.is_positional())
        text += "        " + described(option.names.back(), option.description) + "\n";
    const std::string more = positional(*place.command, "compadd", "_files");
    text +=
        std::format("      )\n{}      ;;\n",
                    more.empty() ? "" : "      [[ $PREFIX == -* ]] || { " + more + "; return }\n");
  }
  return text + R"(  esac
  if [[ $PREFIX == -* || ${#found} == 0 ]]; then found=($options); fi
  _describe anyclaude found
}
if [[ $funcstack[1] == _anyclaude ]]; then _anyclaude "$@"; else compdef _anyclaude anyclaude; fi
)";
}

std::string fish_script(const CommandText& program) {
  const auto places = places_of(program);
  std::string text = R"(# fish completion for anyclaude, made by `anyclaude completions fish`.
function __anyclaude_at
    set -l at anyclaude
    for word in (commandline -opc)[2..]
        switch "$at $word"
            case)";
  for (const Place& place : places)
    if (place.command != &program)
      text += " " + in_quotes(place.path);
  text += R"(
                set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
complete -c anyclaude -f
)";
  for (const Place& place : places) {
    const std::string at =
        std::format("complete -c anyclaude -n {}", in_quotes("__anyclaude_at " + place.path));
    for (const CommandText& next : place.command->commands)
      text += std::format("{} -a {} -d {}\n", at, next.name,
                          in_quotes(first_sentence(next.description)));
    for (const OptionText& option : place.command->options) {
      std::string line = at;
      for (const std::string& name : option.names)
        if (!option.is_positional())
          line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.choices.empty())
        line += std::format(" {} -a {}", option.is_positional() ? "" : "-x",
                            in_quotes(joined(option.choices)));
      else if (option.is_positional() || option.takes_file())
        line += option.is_positional() ? " -F" : " -rF";
      else if (!option.value.empty())
        line += " -x";
      text += line + " -d " + in_quotes(first_sentence(option.description)) + "\n";
    }
  }
  return text;
}

} // namespace

std::string completion_script(const std::string& shell, const CommandText& program) {
  return shell == "zsh"    ? zsh_script(program)
         : shell == "fish" ? fish_script(program)
                           : bash_script(program);
}

} // namespace anyclaude::commands
