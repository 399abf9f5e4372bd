#pragma once

#include "launch/descriptor.h"

#include <optional>
#include <string>

namespace anyclaude::launch {

/// Lines over a non-blocking stream socket, buffered both ways. Not thread-safe.
class LineChannel {
 public:
  LineChannel() = default;
  explicit LineChannel(Descriptor socket);

  int descriptor() const { return socket_.get(); }

  /// Reads what there is. False when the other side has gone, or sent a line beyond 16 MiB.
  bool receive();

  /// The next complete line, without its newline.
  std::optional<std::string> next_line();

  /// Sends as much as the socket takes now and keeps the rest for flush(). False when the other
  /// side has gone, or reads so little that 16 MiB wait for it.
  bool send(const std::string& text);
  bool flush();
  bool has_unsent() const { return !unsent_.empty(); }

 private:
  Descriptor socket_;
  std::string received_;
  std::string unsent_;
};

} // namespace anyclaude::launch
