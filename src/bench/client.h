#pragma once

#include "launch/claude_settings.h"

#include <expected>
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

  /// Asks and waits for the whole answer. Milliseconds from the request's sending to the first
  /// text of the answer, as the client measured them. The error says what went wrong.
  virtual std::expected<double, std::string> ask(const launch::ClaudeConnection& connection,
                                                 const Question& question) = 0;
};

} // namespace anyclaude::bench
