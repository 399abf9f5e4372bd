#pragma once

#include "backend/backend.h"
#include "backend/tenant_share.h"
#include "engine/engine.h"
#include "prompt/prompt_builder.h"
#include "prompt/prompt_watch.h"

#include <filesystem>
#include <memory>
#include <vector>

namespace anyclaude::backend {

/// Answers with our own engine: a GGUF model in this process.
class Embedded : public Backend {
 public:
  /// Returns at once; health() tells when the model is loaded.
  explicit Embedded(engine::EngineOptions options, prompt::PromptOptions prompts = {});
  ~Embedded() override;

  Abilities abilities() const override;
  Health health() const override;
  std::vector<ModelInfo> models() const override;
  std::optional<EngineNumbers> engine_numbers() const override;
  std::shared_ptr<const kv::PrefixOutline> prefixes() const override { return engine_.outline(); }
  std::expected<int, anthropic::Error>
  count_tokens(const anthropic::Request& request) const override;
  std::expected<std::unique_ptr<Generation>, anthropic::Error>
  start(const anthropic::Request& request, const Caller& caller, EventSink sink) override;

  const engine::Engine& engine() const { return engine_; }
  engine::Engine& engine() { return engine_; }

  std::vector<prompt::PromptReport> prompt_reports() const override { return watch_.reports(); }

 private:
  /// Null with the reason while the model is not there.
  std::expected<const prompt::PromptBuilder*, anthropic::Error> prompts() const;

  struct Prepared;
  engine::EngineOptions preparing(engine::EngineOptions options);
  void prepare(const engine::Model& model, int context_tokens);

  TenantShare share_;
  prompt::PromptOptions prompt_options_;
  std::string model_id_;
  std::int64_t model_time_ = 0; // of the file, seconds
  std::filesystem::path model_file_;
  std::filesystem::path cache_folder_;
  std::unique_ptr<Prepared> prepared_;
  prompt::PromptWatch watch_; // asks the engine only for the texts of a prompt's tokens
  engine::Engine engine_;
};

} // namespace anyclaude::backend
