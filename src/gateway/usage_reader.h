#pragma once

#include "anthropic/events.h"
#include "gateway/http_server.h"
#include "upstream/sse_reader.h"

#include <memory>
#include <string>
#include <string_view>

namespace anyclaude::gateway {

/// Reads what an answer to POST /v1/messages says of its cost, from a copy of its bytes: the events
/// of a stream, or one Message object. What is compressed, too large or no such answer is passed
/// over. Not thread-safe.
class UsageReader {
 public:
  explicit UsageReader(const Headers& headers);
  UsageReader(const UsageReader&) = delete; // its reader of events knows its address
  UsageReader& operator=(const UsageReader&) = delete;

  void push(std::string_view bytes);
  void finish();

  const anthropic::Usage& usage() const { return usage_; }
  const std::string& model() const { return model_; }     // empty until it was said
  bool content_has_begun() const { return has_content_; } // of a stream

 private:
  void on_event(const upstream::SseEvent& event);
  void read_message(std::string_view json, std::string_view key);
  enum class Kind { none, stream, message };

  Kind kind_ = Kind::none;
  upstream::SseReader events_;
  std::string body_; // of a Message object
  anthropic::Usage usage_;
  std::string model_;
  bool has_content_ = false;
};

} // namespace anyclaude::gateway
