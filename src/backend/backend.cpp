#include "backend/backend.h"

#include <utility>

namespace anyclaude::backend {

std::vector<ServerStatus> Backend::servers() const {
  Health now = health();
  const bool ready = now.ready;
  const auto engine = engine_numbers();
  return {{"local", "here", std::move(now), ready, engine ? engine->running : 0, models()}};
}

} // namespace anyclaude::backend
