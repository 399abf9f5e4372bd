#pragma once

#include "launch/paths.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The servers that people already have, one descriptor each: how to find the program, how to start
/// it on a model of this machine, where it listens, and what to ask it for.
namespace anyclaude::launch {

/// How a server is told what model to serve.
enum class ModelForm {
  folder,    // safetensors with a config.json
  gguf_file, // one GGUF file
  name,      // a name that the server knows; it keeps the files itself
};

struct ServerOrder {
  std::string model; // absolute path, or a name; see ModelForm
  std::uint16_t port = 0;
  int context_tokens = 0;       // 0: the server's own default
  std::filesystem::path folder; // where a file that the server reads may be written
};

struct ServerCommand {
  std::vector<std::string> arguments; // the program first
  std::vector<std::pair<std::string, std::string>> variables{};
  /// Run once the server listens, such as the loading of a model; empty: nothing.
  std::vector<std::string> then{};
  /// What ends it, where the program itself returns at once; empty: a signal does.
  std::vector<std::string> stop{};
};

struct ServerKind {
  std::string_view mode;            // of ANYCLAUDE_MODE, and a backend's `kind`
  std::string_view title;           // for a person
  std::string_view program;         // looked for in PATH
  std::string_view install;         // what to type to get it
  std::vector<std::uint16_t> ports; // where it listens by default; it is started at the first
  ModelForm form = ModelForm::name;
  bool needs_model = true; // to be started; false: it serves what it is asked for
  /// Null: it cannot be started from here.
  std::expected<ServerCommand, std::string> (*command)(const ServerOrder& order) = nullptr;
};

/// All kinds, in the order of the documentation.
std::span<const ServerKind> server_kinds();

/// Null for a mode without a server (local, openai, claude) and for unknown ones.
const ServerKind* find_server_kind(std::string_view mode);

/// Every value of ANYCLAUDE_MODE, in the order of the documentation.
std::vector<std::string_view> mode_names();

/// "local, mlx-lm, … and claude".
std::string listed_modes();

/// The model as the server's `model` field has to name it. `model` is as in ServerOrder.
std::string served_name(const ServerKind& kind, const std::string& model);

/// Makes of what a person named a model that the server can be started on: an absolute path of a
/// folder or a GGUF file, or the name as it is (ModelForm::name). A name as `org/model` that is in
/// Hugging Face's cache on this machine becomes its folder. The error says what was looked for and
/// what to do; nothing is ever downloaded.
std::expected<std::string, std::string>
resolve_model(const ServerKind& kind, const std::string& named,
              const EnvironmentLookup& environment = process_environment);

/// The program's path; empty when it is not installed.
std::filesystem::path find_program(std::string_view name,
                                   const EnvironmentLookup& environment = process_environment);

} // namespace anyclaude::launch
