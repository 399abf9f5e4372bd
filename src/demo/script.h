#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::demo {

/// When a script is the answer. Every condition that is given must hold.
struct ScriptCondition {
  /// This many tool results since the person last spoke.
  std::optional<std::size_t> tool_results;
  /// All of these tools are offered.
  std::vector<std::string> tools;
  /// The person's words contain this.
  std::optional<std::string> marker;
};

/// One tool call, `arguments` as it stands in the prompt (see rendered_json in script.cpp).
struct ScriptCall {
  std::string name;
  std::string arguments;
};

/// One answer, in the order in which the model says it.
struct Script {
  ScriptCondition when;
  std::string think;
  std::string say; ///< `repeat` already carried out.
  std::vector<ScriptCall> calls;
  std::string say_after;
};

/// What a scripted model answers. The first script whose condition holds is used.
struct ScriptFile {
  std::vector<Script> scripts;
};

/// Reads a script file:
///
///     {"scripts": [
///       {"when": {"tool_results": 0, "tool": "Bash", "marker": "COUNT"},
///        "think": "The shell can count them.",
///        "say": "I count the files.",
///        "calls": [{"name": "Bash", "arguments": {"command": "ls | wc -l"}}]},
///       {"when": {"tool_results": 1, "marker": "COUNT"}, "say": "The shell has counted them."},
///       {"when": {"marker": "LONG"}, "say": "This is line {n}.\n", "repeat": 200},
///       {"say": "Nothing else is in the script."}
///     ]}
///
/// `when`: all keys optional; `tool` is a name or a list of names that must all be offered. A
/// script without conditions always applies, so it stands last; where there is none, an honest
/// sentence about the demo model is added. Markers and tool names are 1-64 letters, digits, spaces
/// or one of
/// `-_.:/`. `think`, `say`, `calls`, `say_after` are optional, but one must be there. `repeat`
/// (1-2000) says `say` that many times; it must contain `{n}`, the number of the repetition from 1,
/// since every piece of a script has to be unique. Several calls are parallel calls in one answer.
///
/// An error names the file, the path of the wrong value (`scripts[0].calls[1].name`) and what is
/// wanted.
std::expected<ScriptFile, std::string> read_script(const std::filesystem::path& path);
std::expected<ScriptFile, std::string> parse_script(std::string_view json);

/// What a demo model says without a script: that it is a stand-in, and how to use a real model.
ScriptFile default_script();

} // namespace anyclaude::demo
