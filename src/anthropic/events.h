#pragma once

#include "anthropic/error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What a backend says while it answers, and the two forms a client sees it in: server-sent events
/// in Anthropic's order, or one Message object.
/// Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
namespace anyclaude::anthropic {

/// Tokens of one request. prompt = input + cache_read + cache_creation.
struct Usage {
  std::int64_t input_tokens = 0;
  std::int64_t cache_read_input_tokens = 0;     // reused, not computed
  std::int64_t cache_creation_input_tokens = 0; // computed, and kept for later requests
  std::int64_t output_tokens = 0;
};

/// Prefill is under way. Not shown to the client, which gets pings meanwhile.
struct PrefillProgress {
  std::int64_t done = 0;  // tokens, those reused included
  std::int64_t total = 0; // tokens of the prompt
};

/// Prefill ended: the first event a client sees after its pings.
struct Started {
  Usage usage;
};

struct TextDelta {
  std::string text; // complete UTF-8
};

struct ThinkingDelta {
  std::string thinking;
};

/// Ends a thinking block; comes right after its last ThinkingDelta.
struct ThinkingSignature {
  std::string signature;
};

struct ToolUseStart {
  std::string id; // "toolu_…"
  std::string name;
};

/// A piece of the JSON text of the tool call begun last.
struct ToolInputDelta {
  std::string partial_json;
};

/// A tool that Anthropic's servers would have carried out, and that nobody carries out here: its
/// call and the result that says so, as two blocks.
struct ServerToolUnavailable {
  std::string id;         // "srvtoolu_…"
  std::string name;       // "web_search"
  std::string input_json; // of the call, a JSON object
};

enum class StopReason {
  end_turn,
  max_tokens,
  stop_sequence,
  tool_use,
  model_context_window_exceeded
};

const char* to_string(StopReason reason);

/// The last event of an answer that succeeded.
struct Finished {
  StopReason reason = StopReason::end_turn;
  std::string stop_sequence; // for StopReason::stop_sequence
  Usage usage;
};

/// The last event of an answer that failed. Before Started it becomes the HTTP status where the
/// response has not begun.
struct Failed {
  Error error;
};

/// Blocks open and close by themselves: a delta of another kind, a ToolUseStart or the end closes
/// the open one.
using Event = std::variant<PrefillProgress, Started, TextDelta, ThinkingDelta, ThinkingSignature,
                           ToolUseStart, ToolInputDelta, ServerToolUnavailable, Finished, Failed>;

/// Turns a backend's events into the text of server-sent events. What the protocol needs and the
/// events leave out is filled in: an answer without Started begins with zero usage. Empty deltas
/// give no frame, and after Finished or Failed nothing more is encoded. Not thread-safe.
class SseEncoder {
 public:
  SseEncoder(std::string message_id, std::string model, std::string request_id);

  /// The frames for one event, empty when the client sees nothing of it.
  std::string encode(const Event& event);

  static std::string ping();

 private:
  enum class Block { none, text, thinking, tool_use, server_tool_result };
  std::string begin(const Usage& usage);
  std::string open(Block block, const std::string& content_block_json);
  std::string delta(const char* type, const char* key, std::string_view value) const;
  std::string close();

  std::string on(const PrefillProgress& event);
  std::string on(const Started& event);
  std::string on(const TextDelta& event);
  std::string on(const ThinkingDelta& event);
  std::string on(const ThinkingSignature& event);
  std::string on(const ToolUseStart& event);
  std::string on(const ToolInputDelta& event);
  std::string on(const ServerToolUnavailable& event);
  std::string on(const Finished& event);
  std::string on(const Failed& event);

  std::string message_id_;
  std::string model_;
  std::string request_id_;
  Block block_ = Block::none;
  int index_ = -1;
  bool started_ = false;
  bool ended_ = false;
};

/// The content of a result that says that a server tool is unavailable, as JSON text of its block.
std::string unavailable_result(const ServerToolUnavailable& event);

/// Gathers a backend's events into the Message object of a request without streaming. A tool input
/// that is not the text of a JSON object becomes {}: the field must be an object, and a backend
/// that checks its own tool calls never sends one. Not thread-safe.
class MessageBuilder {
 public:
  MessageBuilder(std::string message_id, std::string model);

  void add(const Event& event);

  /// The Message as JSON text. Call after Finished.
  std::string body() const;

 private:
  struct Block {
    std::string type; // "text", "thinking", "tool_use", "server_tool_use"
    std::string text; // the text, the thinking, or the tool's JSON input
    std::string signature;
    std::string id;
    std::string name;
    bool closed = false; // what follows opens a block of its own
  };
  Block& current(const char* type);

  void on(const PrefillProgress& event);
  void on(const Started& event);
  void on(const TextDelta& event);
  void on(const ThinkingDelta& event);
  void on(const ThinkingSignature& event);
  void on(const ToolUseStart& event);
  void on(const ToolInputDelta& event);
  void on(const ServerToolUnavailable& event);
  void on(const Finished& event);
  void on(const Failed& event);

  std::string message_id_;
  std::string model_;
  std::vector<Block> blocks_;
  Finished end_;
};

} // namespace anyclaude::anthropic
