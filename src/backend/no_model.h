#pragma once

#include "backend/backend.h"

namespace anyclaude::backend {

/// Stands where no model is configured: says so to whoever asks.
class NoModel : public Backend {
 public:
  Abilities abilities() const override { return {}; }
  Health health() const override;
  std::vector<ModelInfo> models() const override { return {}; }
  std::expected<int, anthropic::Error> count_tokens(const anthropic::Request&) const override;
  std::expected<std::unique_ptr<Generation>, anthropic::Error>
  start(const anthropic::Request&, const Caller&, EventSink) override;
};

} // namespace anyclaude::backend
