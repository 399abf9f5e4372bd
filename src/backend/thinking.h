#pragma once

#include "answer/thinking_seal.h"
#include "anthropic/messages.h"

#include <filesystem>
#include <memory>

namespace anyclaude::backend {

/// Thinking blocks are known again after a restart where there is a folder to keep the key in.
std::shared_ptr<const answer::ThinkingSeal> make_seal(const std::filesystem::path& folder);

/// Thinking from elsewhere is history like any other; our own that was changed is worth a word in
/// the log.
void look_at_thinking(const anthropic::Request& request, const answer::ThinkingSeal& seal);

} // namespace anyclaude::backend
