#pragma once

#include "anthropic/error.h"
#include "anthropic/shared_json.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The Messages API as plain data: what a client asks. Source of the shapes:
/// https://docs.anthropic.com/en/api/messages, and captured requests of Claude Code 2.1.330.
namespace anyclaude::anthropic {

struct TextBlock {
  std::string text;
};

struct ImageBlock {
  std::string media_type; // "image/png"; empty for an image by URL
  /// Base64 as sent, or the URL. Megabytes, so it is shared by all who need it.
  std::shared_ptr<const std::string> data = std::make_shared<const std::string>();
};

struct ThinkingBlock {
  std::string thinking;
  std::string signature; // may be empty or foreign; never verified here
};

struct ToolUseBlock {
  std::string id;
  std::string name;
  Json input; // always an object
};

/// Names a tool whose schema the client loads at this place (`defer_loading`).
struct ToolReferenceBlock {
  std::string tool_name;
};

/// Well-formed content that no local model can use: a document, redacted thinking, a server tool's
/// block, a type that came after us. It stays in the conversation as a placeholder, since a client
/// resends its history and a refusal would end the conversation for good.
struct UnsupportedBlock {
  std::string type;        // as sent, such as "document"
  std::string description; // short text that stands for it in the prompt
};

/// What may stand inside a tool result.
using ResultBlock = std::variant<TextBlock, ImageBlock, ToolReferenceBlock, UnsupportedBlock>;

struct ToolResultBlock {
  std::string tool_use_id;
  std::vector<ResultBlock> content; // a plain string arrives as one TextBlock
  bool is_error = false;
};

using ContentBlock = std::variant<TextBlock, ImageBlock, ThinkingBlock, ToolUseBlock,
                                  ToolResultBlock, ToolReferenceBlock, UnsupportedBlock>;

enum class Role { user, assistant, system };

struct Message {
  Role role = Role::user;
  std::vector<ContentBlock> content; // a plain string arrives as one TextBlock
};

struct Tool {
  std::string name;
  std::string description;
  SharedJson input_schema;    // as sent, keys in the client's order
  std::string server_type;    // "web_search_20250305" and kin; empty for the client's own tools
  bool defer_loading = false; // its schema is not shown until a ToolReferenceBlock names it
};

struct ToolChoice {
  enum class Kind { automatic, any, tool, none };
  Kind kind = Kind::automatic;
  std::string name; // for Kind::tool
  bool disable_parallel = false;
};

struct Thinking {
  enum class Kind { unset, disabled, enabled, adaptive };
  Kind kind = Kind::unset;
  int budget_tokens = 0; // 0: none was given
};

struct Request {
  std::string model;
  std::vector<std::string> system; // text blocks, in order
  std::vector<Message> messages;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  Thinking thinking;
  std::string effort; // output_config.effort: "low", "medium", "high", …; empty when not sent
  Json output_schema; // output_config.format of type json_schema: its schema; null when not sent
  int max_tokens = 0; // 0 in a count_tokens request, which has none
  bool stream = false;
  bool caching = false; // some block carries cache_control
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p; // not Anthropic's; llama.cpp's servers accept it
  std::optional<int> top_k;
  std::optional<std::uint32_t> seed; // not Anthropic's; makes a sampled answer repeatable
  std::vector<std::string> stop_sequences;
  /// What was understood but cannot be used, one sentence each, for the log.
  std::vector<std::string> warnings;
};

enum class RequestKind { messages, count_tokens };

/// How many of each one request may have; a body of 32 MiB could hold over a million of the
/// smallest. Messages: https://docs.anthropic.com/en/api/messages; the others are ours.
inline constexpr std::size_t kMaxMessages = 100'000;
inline constexpr std::size_t kMaxBlocks = 100'000; // of all messages and tool results together
inline constexpr std::size_t kMaxTools = 10'000;
inline constexpr std::size_t kMaxStopSequences = 1'000;

/// Reads a request body. Unknown keys are ignored. Malformed input is an invalid_request error
/// whose message begins with the path of the offending value, such as
/// "messages.2.content.0.tool_use_id: Field required". Thread-safe.
std::expected<Request, Error> parse_request(std::string_view body, RequestKind kind);

} // namespace anyclaude::anthropic
