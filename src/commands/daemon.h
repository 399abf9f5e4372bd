#pragma once

#include "backend/route_rules.h"
#include "commands/config.h"
#include "launch/control_listener.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace anyclaude::commands {

struct DaemonOptions {
  std::string mode = "local"; // who answers where no route says otherwise; see launch::mode_names()
  std::filesystem::path
      model; // of mode local; absolute; empty: none, and every question is answered so
  std::filesystem::path projector{}; // absolute, or "none"; empty: one beside the model that fits
  std::string server_model; // of a mode with a server, as a person named it; empty: what it serves
  std::string claude_url{}; // of the real Claude; empty: its own address
  int context_tokens = 0;   // 0: what the model and the memory allow
  int threads = 0;          // 0: one for each physical core
  int batch_tokens = 512;
  int parallel = 16;           // requests computed side by side
  std::string kv_type = "f16"; // or "q8_0"
  std::string prompt_layout;   // "stable-first" or "as-sent"; empty: the first
  std::string host = "127.0.0.1";
  std::uint16_t port = 0; // 0: any free one
  std::string token;      // empty: a new one
  /// Nobody chose the token: it was made for this run, and whoever has it is the daemon's owner.
  bool token_was_made = false;
  std::vector<std::string> allowed_hosts{};
  std::filesystem::path cache;   // a folder for what can be made again
  std::filesystem::path state;   // a folder for what cannot; empty: nothing is kept
  bool keeps_prefixes = true;    // on the disk, below the first
  std::uint64_t store_bytes = 0; // of them; 0: a share of what is free
  bool ends_with_last_launcher = false;
  /// The longest request is kept in memory and told over the control socket, as document "request".
  bool keeps_longest_request = false;
  /// Absolute, private: every request and answer goes to files in this folder. Empty: to none.
  std::filesystem::path trace{};
  std::vector<BackendConfig> backends{}; // that the mode or a route may name
  backend::RoutingTable routes{};        // its `otherwise` comes behind the mode's backend
};

/// How to reach a daemon that listens.
struct DaemonAddress {
  std::string base_url;
  std::string token;
};

/// Runs gateway, backend and control socket until SIGTERM, SIGINT or SIGHUP, or until the last
/// launcher has gone. `on_listening` is called once, before the model is loaded. Returns the exit
/// status; why it could not start stands in the log. To be called with one thread.
int run_daemon(const DaemonOptions& options, launch::ControlListener listener,
               const std::function<void(const DaemonAddress&)>& on_listening = {});

/// 0.1.0, from the build.
std::string program_version();

/// What a person has to know who talks to a daemon that writes everything down.
std::string trace_warning(const std::filesystem::path& folder);

} // namespace anyclaude::commands
