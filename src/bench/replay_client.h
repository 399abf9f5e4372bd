#pragma once

#include "bench/client.h"

namespace anyclaude::bench {

/// Sends synthetic requests of Claude Code's shape: as many tools, as long a system prompt, in as
/// many places, with none of its words.
class ReplayClient : public Client {
 public:
  std::string name() const override { return "replay"; }
  std::expected<double, std::string> ask(const launch::ClaudeConnection& connection,
                                         const Question& question) override;

 private:
  std::string messages_; // of the conversation, JSON objects with commas between them
};

} // namespace anyclaude::bench
