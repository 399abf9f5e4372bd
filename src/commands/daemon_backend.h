#pragma once

#include "backend/backend.h"
#include "backend/embedded.h"
#include "commands/daemon.h"
#include "gateway/pass_through.h"
#include "launch/control_protocol.h"
#include "launch/server_keeper.h"
#include "upstream/client.h"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::commands {

/// What answers a daemon's requests: our engine, another server, the real Claude, or several of
/// them behind rules; and what keeps the servers that were started for it.
class DaemonBackend {
 public:
  /// Returns when it is known who will answer; that they are ready is state()'s to say. `on_change`
  /// is called on any thread when state() may say something else, perhaps before make() has
  /// returned. The error is for a person: no program, no model, a rule that names nothing.
  static std::expected<std::unique_ptr<DaemonBackend>, std::string>
  make(const DaemonOptions& options, std::function<void()> on_change);

  backend::Backend& backend() const { return *backend_; }

  /// Null unless the mode is `local` and has a model.
  backend::Embedded* embedded() const { return embedded_; }

  /// Every model in an engine of ours, the mode's own in front.
  const std::vector<std::shared_ptr<backend::Embedded>>& engines() const { return engines_; }

  /// Set where requests may go to the real Claude.
  const std::optional<gateway::PassThroughOptions>& cloud() const { return cloud_; }

  struct State {
    launch::DaemonState state = launch::DaemonState::loading;
    double progress = 0; // of loading, 0 to 1
    std::string detail;
    std::string model_id;   // for Claude Code; empty: its own choice
    int context_tokens = 0; // 0: not known
  };
  State state() const;

 private:
  explicit DaemonBackend(const DaemonOptions& options, std::function<void()> on_change);

  std::expected<void, std::string> choose();
  std::shared_ptr<backend::Embedded> make_engine(const std::filesystem::path& model,
                                                 int context_tokens);
  std::shared_ptr<backend::Backend> make_own();
  int models_here() const;
  std::expected<std::vector<std::shared_ptr<backend::Backend>>, std::string>
  make_servers(const BackendConfig& config, std::vector<std::string>& ids);
  std::expected<void, std::string> add_router(std::vector<std::shared_ptr<backend::Backend>> own,
                                              std::vector<std::string> ids);
  prompt::PromptOptions prompt_options() const;
  State server_state() const;

  const DaemonOptions options_;
  const std::function<void()> on_change_;
  const std::shared_ptr<prompt::ToolOrder> tool_order_; // one for all backends
  std::unique_ptr<upstream::Client> client_;            // for servers; null: there are none
  std::optional<gateway::PassThroughOptions> cloud_;
  std::shared_ptr<backend::Backend> backend_;
  std::vector<std::shared_ptr<backend::Embedded>> engines_;
  backend::Embedded* embedded_ = nullptr;
  std::string server_model_; // of the mode's server, for a person; empty: not known
  bool keeps_own_ = false;   // the first keeper is of the mode's own server
  /// The last, so that no thread of theirs speaks of what is gone. The mode's own first, if it has
  /// one.
  std::vector<std::unique_ptr<launch::ServerKeeper>> keepers_;
};

/// The backend that a mode means: its [backends.NAME], or one of that kind on this machine. Nothing
/// for `local` and `claude`.
std::optional<BackendConfig> backend_of_mode(const std::string& mode,
                                             const std::vector<BackendConfig>& backends);

} // namespace anyclaude::commands
