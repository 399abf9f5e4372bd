#pragma once

#include "bench/client.h"
#include "bench/prompt.h"

#include <memory>
#include <string>

namespace anyclaude::bench {

/// Sends a prompt again and again, each time with other words.
class ReplayClient : public Client {
 public:
  explicit ReplayClient(std::shared_ptr<const Prompt> prompt);

  std::string name() const override { return "replay"; }
  bool start_anew() override;
  std::unique_ptr<Client> another() const override;
  std::expected<double, std::string> ask(const launch::ClaudeConnection& connection,
                                         const Question& question) override;

 private:
  std::shared_ptr<const Prompt> prompt_;
  std::string mark_;  // of all its requests until it starts anew
  Json conversation_; // the last request with its answer
};

/// A synthetic prompt of so many tokens, or a few less, as the daemon's model counts them.
std::expected<std::shared_ptr<const Prompt>, std::string>
synthetic_prompt_of(std::int64_t tokens, const launch::ClaudeConnection& connection);

} // namespace anyclaude::bench
