#pragma once

#include "answer/thinking_seal.h"
#include "backend/backend.h"
#include "backend/openai_dialect.h"
#include "backend/openai_request.h"
#include "backend/openai_server.h"
#include "backend/session_affinity.h"
#include "prompt/layout.h"
#include "prompt/prompt_builder.h"
#include "prompt/tool_order.h"
#include "upstream/client.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace anyclaude::backend {

struct Learned;

struct OpenAiOptions {
  std::string name;       // of this backend, for routing and logs
  std::string dialect;    // one of openai_dialects()
  std::string base_url;   // "http://127.0.0.1:8080", without /v1
  std::string model;      // empty: the server's first
  std::string api_key;    // empty: none
  int context_tokens = 0; // 0: asked of the server, or the dialect's default
  /// How long nothing may come from the server while it answers. Long, since not every server gives
  /// a sign of life while it computes a prompt.
  std::chrono::milliseconds idle_time = std::chrono::minutes(30);
  /// Between two tries where the server is not there or says that it is busy; doubled each time.
  std::chrono::milliseconds first_pause{250};
  int tries = 3;
  /// Called from a thread of its own when health() or models() may say something new. The backend
  /// may still be under construction.
  std::function<void()> on_status_change{};
};

/// Names of all dialects, "openai" for any other server.
std::vector<std::string> openai_dialects();

/// Answers with a server that speaks OpenAI's chat completions API. Requests are laid out as our
/// own engine's prompts are, so that the server's own prefix cache finds what it has computed.
class OpenAi : public Backend {
 public:
  /// `client` must outlive it. Nothing is asked of the server here; a wrong address or dialect is
  /// said by health() and in every answer. `cache_folder`: where the key is kept that signs
  /// thinking.
  explicit OpenAi(OpenAiOptions options, upstream::Client& client,
                  prompt::PromptOptions prompts = {},
                  const std::filesystem::path& cache_folder = {});
  ~OpenAi() override;

  Abilities abilities() const override;
  Health health() const override;
  std::vector<ModelInfo> models() const override;
  std::vector<ServerStatus> servers() const override;
  std::chrono::milliseconds verdict_time() const override;

  /// Counted by the server where it has a tokenizer to ask (llama-server, vLLM); otherwise
  /// estimated from the bytes, with the ratio of the last answers.
  std::expected<int, anthropic::Error>
  count_tokens(const anthropic::Request& request) const override;

  /// A server that cannot be reached or is busy is asked again, a few times, as long as nothing of
  /// an answer has come.
  std::expected<std::unique_ptr<Generation>, anthropic::Error>
  start(const anthropic::Request& request, const Caller& caller, EventSink sink) override;

  const std::string& name() const { return options_.name; }

 private:
  std::optional<int> counted_tokens(const ChatRequest& chat) const;
  ChatRequest make_chat(const anthropic::Request& request, const Caller& caller,
                        const OpenAiServer::Facts& facts) const;

  const OpenAiOptions options_;
  upstream::Client& client_;
  const OpenAiDialect& dialect_;
  std::string wrong_; // with the options; empty: nothing
  ServerAddress address_;
  prompt::Layout layout_;
  std::shared_ptr<prompt::ToolOrder> tool_order_; // learns; thread-safe
  std::shared_ptr<const answer::ThinkingSeal> seal_;
  std::shared_ptr<Learned> learned_;
  std::shared_ptr<SessionAffinity> affinity_ = std::make_shared<SessionAffinity>();
  std::shared_ptr<OpenAiServer> server_; // null where the options are wrong
};

} // namespace anyclaude::backend
