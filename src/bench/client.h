#pragma once

#include "launch/claude_settings.h"

#include <expected>
#include <memory>
#include <string>

namespace anyclaude::bench {

struct Question {
  std::string words;
  bool continues = false; // the conversation of the question before
};

/// Somebody who asks a daemon as Claude Code does.
class Client {
 public:
  virtual ~Client() = default;

  /// "claude-code 2.1.330" or "replay".
  virtual std::string name() const = 0;

  /// What it asks from now on has nothing in common with what it asked before: to be computed from
  /// the start. False: it cannot do that.
  virtual bool start_anew() { return false; }

  /// Somebody else with the same prompt, who may ask at the same time on another thread; null where
  /// there can be none.
  virtual std::unique_ptr<Client> another() const { return nullptr; }

  /// Asks and waits for the whole answer. Milliseconds from the request's sending to the first
  /// piece of the answer, as the client measured them. The error says what went wrong.
  virtual std::expected<double, std::string> ask(const launch::ClaudeConnection& connection,
                                                 const Question& question) = 0;
};

} // namespace anyclaude::bench
