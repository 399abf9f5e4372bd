#pragma once

#include "launch/paths.h"

#include <expected>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

/// The environment that Claude Code needs to talk to our gateway. It goes through `--settings`,
/// because `env` in a person's settings files outranks the shell, and --settings outranks them:
/// managed (policy) settings > --settings > project's local > project's > user's > shell. Only the
/// last --settings of a command line counts, so the person's own is merged into ours. Observed with
/// Claude Code 2.1.330; https://code.claude.com/docs/en/settings.
namespace anyclaude::launch {

struct ClaudeConnection {
  std::string base_url;    // of the gateway, without a path: "http://127.0.0.1:PORT"
  std::string session;     // becomes the path prefix /s/<session>; empty: none
  bool is_private = false; // the prefix is /p/<session>: nothing said is kept on the disk
  std::string token;
  /// Claude Code keeps its own login or key, since all requests, or those that routes choose, go to
  /// the real Claude; the token becomes the path prefix /t/<token>.
  bool own_login = false;
  /// Claude Code's own names of opus, sonnet and haiku stay, for rules that look at them.
  bool own_model_names = false;
  std::string model_id;      // empty: Claude Code's own choice, its limits included
  int context_tokens = 0;    // the true window
  int max_output_tokens = 0; // 0: a quarter of the window, at most 32,000
};

using Variables = std::vector<std::pair<std::string, std::string>>;

/// "http://127.0.0.1:PORT/t/<token>": a base URL for clients whose credentials are another
/// server's.
std::string url_with_token(const std::string& base_url, const std::string& token);

/// The variables, in a fixed order. Those with an empty value take away what would send requests
/// elsewhere (another provider, a socket), and keys that are not for us. A login of Claude Code's
/// own stays; where the real Claude answers everything (no model of ours), so does its provider.
Variables claude_variables(const ClaudeConnection& connection);

/// Where to look for what a person has set.
struct ClaudeSettingsPlaces {
  std::filesystem::path user;                 // ~/.claude/settings.json, or under CLAUDE_CONFIG_DIR
  std::vector<std::filesystem::path> project; // .claude/settings.json, .claude/settings.local.json
  std::vector<std::filesystem::path> managed; // a policy's; nothing outranks them
};

ClaudeSettingsPlaces settings_places(const std::filesystem::path& working_directory,
                                     const EnvironmentLookup& environment = process_environment);

struct ClaudeSettings {
  std::string json;                   // of the settings file
  Variables variables;                // its env, for the child's own environment as well
  std::vector<std::string> arguments; // the person's, their --settings taken out
  std::vector<std::string> warnings;  // what may still override us, one sentence each
};

/// Merges the person's --settings (a file's name or JSON itself, found in `arguments`) with ours:
/// our variables win, everything else of theirs stays. The error says what is wrong with theirs.
std::expected<ClaudeSettings, std::string>
make_claude_settings(const ClaudeConnection& connection, const std::vector<std::string>& arguments,
                     const ClaudeSettingsPlaces& places,
                     const EnvironmentLookup& environment = process_environment);

/// A settings file in the runtime folder, mode 0600, gone with this object. The token in it must
/// never be on a command line, which other users can read.
class SettingsFile {
 public:
  static std::expected<SettingsFile, std::string> write(const Paths& paths,
                                                        const std::string& json);
  SettingsFile(SettingsFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SettingsFile& operator=(SettingsFile&&) = delete;
  ~SettingsFile();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit SettingsFile(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

} // namespace anyclaude::launch
