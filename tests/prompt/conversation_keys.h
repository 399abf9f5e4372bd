#pragma once

#include "prompt/replay_memory.h"

#include <string>

namespace anyclaude::prompt {

/// Of a conversation that is told by its number.
inline ConversationKey key_of(int number) {
  ConversationHash hash;
  hash.add(std::to_string(number));
  return hash.key();
}

} // namespace anyclaude::prompt
