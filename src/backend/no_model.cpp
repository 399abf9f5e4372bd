#include "backend/no_model.h"

namespace anyclaude::backend {

namespace {

constexpr const char* kAdvice =
    "no model is configured: start anyclaude with --model /path/to/model.gguf";

anthropic::Error error() {
  return {anthropic::ErrorKind::overloaded, kAdvice};
}

} // namespace

Health NoModel::health() const {
  return {false, kAdvice};
}

std::expected<int, anthropic::Error> NoModel::count_tokens(const anthropic::Request&) const {
  return std::unexpected(error());
}

std::expected<std::unique_ptr<Generation>, anthropic::Error>
NoModel::start(const anthropic::Request&, const Caller&, EventSink) {
  return std::unexpected(error());
}

} // namespace anyclaude::backend
