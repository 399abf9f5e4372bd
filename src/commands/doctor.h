#pragma once

#include "commands/config.h"
#include "launch/paths.h"

#include <string>
#include <vector>

namespace anyclaude::commands {

struct DoctorOptions {
  bool prompts = false;          // print_prompt_reports() instead
  bool measures = true;          // whether it reuses, with two prompts to each server
  int prompt_tokens = 2000;      // of them, about
  std::vector<std::string> urls; // to look at beside the default ports and the configuration's
};

/// Tells what servers and models there are on this machine, what is wrong with each and how to mend
/// it, and measures whether a server reuses what it computed. Asks no other machine. Returns 0 when
/// nothing is wrong, 1 when something is.
int examine(const launch::Paths& paths, const Config& config, const DoctorOptions& options);

/// Tells, for each of the running daemon's last prompts, how far it begins like an earlier one, and
/// what stands where they part. Returns the exit status.
int print_prompt_reports(const launch::Paths& paths);

} // namespace anyclaude::commands
