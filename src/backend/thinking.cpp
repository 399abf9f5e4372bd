#include "backend/thinking.h"

#include "text/kept_key.h"

#include <spdlog/spdlog.h>

#include <system_error>
#include <variant>

namespace anyclaude::backend {

std::shared_ptr<const answer::ThinkingSeal> make_seal(const std::filesystem::path& folder) {
  if (!folder.empty()) {
    std::error_code ignored; // the key's own error says more
    std::filesystem::create_directories(folder, ignored);
    const auto kept = text::kept_key(folder / "thinking.key");
    if (kept)
      return std::make_shared<const answer::ThinkingSeal>(*kept);
    spdlog::warn("thinking blocks will be foreign after a restart: {}", kept.error());
  }
  return std::make_shared<const answer::ThinkingSeal>();
}

void look_at_thinking(const anthropic::Request& request, const answer::ThinkingSeal& seal) {
  for (const auto& message : request.messages)
    for (const auto& block : message.content)
      if (const auto* thinking = std::get_if<anthropic::ThinkingBlock>(&block))
        if (seal.origin(thinking->thinking, thinking->signature) ==
            answer::ThinkingSeal::Origin::edited)
          spdlog::warn("a thinking block of this server came back changed; it is taken as it is");
}

} // namespace anyclaude::backend
