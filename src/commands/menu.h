#pragma once

#include "commands/config.h"
#include "launch/paths.h"

#include <optional>
#include <string>
#include <vector>

namespace anyclaude::commands {

enum class Workflow { analysis, editing, cloud };

/// Who could answer on this machine.
struct Offer {
  std::string mode;
  std::string what; // the model, or the server's address
  bool running = false;
  std::string speed{}; // as last measured; empty: never
};

struct MenuState {
  std::vector<Offer> offers;             // for analysis and editing; at least one
  std::string cloud;                     // what there is to say of the real Claude
  Workflow workflow = Workflow::editing; // the last choice
  std::string mode;                      // of the last choice
};

struct MenuChoice {
  Workflow workflow = Workflow::editing;
  std::string mode;
};

/// Looks at what there is: the running daemon, the configuration, servers on their default ports.
/// Up to a few seconds where a port is open and silent. No thread is left behind.
MenuState look_around(const launch::Paths& paths, const Config& config);

/// Shows the menu at the terminal and waits for the person. Nothing: they left it.
std::optional<MenuChoice> ask_workflow(const MenuState& state);

/// So that the next menu begins there.
void remember(const launch::Paths& paths, const MenuChoice& choice);

/// What Claude Code is started with for a workflow: read-only permissions for analysis.
std::vector<std::string> claude_arguments(Workflow workflow);

} // namespace anyclaude::commands
