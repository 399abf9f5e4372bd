#pragma once

#include "answer/lenient_json.h"
#include "answer/writer.h"
#include "anthropic/events.h"
#include "anthropic/json.h"
#include "backend/backend.h"
#include "backend/content_reader.h"
#include "text/stop_sequences.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::backend {

/// Tokens of one request, as far as its server has told them.
struct ToldUsage {
  std::optional<std::int64_t> prompt;
  std::optional<std::int64_t> cached; // absent: not reported, which is not zero
  std::optional<std::int64_t> output;
};

/// Turns the chunks of a streamed chat completion into the API's events. Understood are text,
/// reasoning by both its names, tool calls in pieces or whole, usage in whatever chunk,
/// llama-server's progress, mlx_lm's comments, errors inside the stream, and a whole completion
/// instead of chunks. After a Finished or Failed nothing more is said. Not thread-safe.
class ChatStream {
 public:
  struct Options {
    answer::Format format; // of the answer; its dialect is told from the text
    std::vector<std::string> stop_sequences;
    std::int64_t estimated_prompt = 0; // tokens, until the server tells
    std::int64_t context_tokens = 0;   // 0: not known
    int max_tokens = 0;
    bool caching = false; // the client marks cache breakpoints
    bool reports_cached = false;
    std::string server; // its name for errors
  };

  ChatStream(Options options, EventSink sink);

  /// The data of one server-sent event.
  void data(std::string_view data);
  void comment(std::string_view text);
  /// The whole body, where the server does not stream.
  void whole(std::string_view body);
  /// The stream has ended as HTTP ends it.
  void end();
  void fail(anthropic::Error error);

  /// Nothing more will be said: what still comes may be thrown away.
  bool ended() const { return ended_; }
  /// The client has been told of a part of the answer.
  bool started() const { return started_; }
  const ToldUsage& usage() const { return told_; }

 private:
  enum class Part { none, thinking, text, call };

  void chunk(const Json& chunk);
  void choice(const Json& choice);
  void delta(const Json& delta);
  void thinking(std::string_view text);
  void content(std::string_view text);
  void call(const Json& call);
  void input(std::string_view piece);
  void enter(Part part);
  void leave(bool turn_ended);
  void end_call();
  void start();
  void emit(ContentReader::Events events);
  void read_usage(const Json& chunk);
  void finish();
  anthropic::StopReason reason() const;
  anthropic::Usage usage_now() const;

  const Options options_;
  EventSink sink_;
  answer::Writer writer_; // of thinking and of calls
  std::optional<ContentReader> reader_;
  text::StopSequences stops_;
  Part part_ = Part::none;
  std::optional<answer::LenientJson> json_; // of the call's input
  bool json_begun_ = false;
  std::string unread_; // of it, not certain yet
  std::int64_t call_index_ = -1;
  std::string call_id_;
  bool called_ = false;
  bool cut_ = false;
  std::string finish_reason_;
  std::string stop_sequence_;
  ToldUsage told_;
  std::int64_t pieces_ = 0; // of the answer: about a token each
  bool started_ = false;
  bool done_ = false; // "[DONE]" has come
  bool ended_ = false;
};

} // namespace anyclaude::backend
