#include "anthropic/content_reader.h"
#include "anthropic/json_reader.h"
#include "anthropic/messages.h"
#include "anthropic/schema_reader.h"

#include <algorithm>
#include <climits>
#include <unordered_set>
#include <utility>

namespace anyclaude::anthropic {
namespace {

constexpr std::size_t kToolNameLimit = 128; // characters

/// A client may ask to go on from a conversation that the server keeps (`thread`, sent by the
/// TypeScript SDK's tool runner unless told otherwise). Answered without it, the question would
/// stand alone; told that the thread is lost, the client sends everything again.
bool continues_thread(const Json& body) {
  const Json* thread = SchemaReader::optional(body, "thread");
  return thread != nullptr && thread->is_object() && thread->value("type", Json()) == "continue";
}

class RequestReader {
 public:
  std::expected<Request, Error> read(Json body, RequestKind kind);

 private:
  void system(const Json& body);
  void messages(const Json& body);
  Message message(const Json& value, const Path& at);
  void tools(Json& body);
  Tool tool(Json& value, const Path& at);
  std::string tool_name(const Json& value, const Path& at);
  void tool_choice(const Json& body);
  void thinking(const Json& body);
  void output(const Json& body);
  void output_format(const Json& format, const Path& at);
  void sampling(const Json& body);
  void stop_sequences(const Json& body);
  void max_tokens(const Json& body);

  SchemaReader reader_;
  ContentReader content_{reader_};
  Request request_;
  const Path root_;
};

std::expected<Request, Error> RequestReader::read(Json body, RequestKind kind) {
  if (!body.is_object()) {
    return std::unexpected(
        Error{ErrorKind::invalid_request, "The request body should be a JSON object."});
  }
  if (continues_thread(body)) {
    return std::unexpected(
        Error{ErrorKind::not_found,
              "thread: this server keeps no conversations. Send the whole one in `messages`.",
              "thread_not_found"});
  }
  request_.model = reader_.required_string(body, "model", root_);
  if (request_.model.empty()) {
    reader_.fail(root_ / "model", "String should have at least 1 character");
  }
  messages(body);
  if (kind == RequestKind::messages) {
    max_tokens(body);
  }
  system(body);
  tools(body);
  tool_choice(body);
  thinking(body);
  output(body);
  sampling(body);
  stop_sequences(body);
  request_.stream = reader_.optional_bool(body, "stream", root_);
  content_.note_cache_control(body);
  request_.caching = content_.caching();
  if (reader_.error()) {
    return std::unexpected(*reader_.error());
  }
  std::ranges::move(content_.warnings(), std::back_inserter(request_.warnings));
  return std::move(request_);
}

void RequestReader::max_tokens(const Json& body) {
  if (reader_.required(body, "max_tokens", root_) != nullptr) {
    request_.max_tokens = static_cast<int>(
        reader_.optional_integer(body, "max_tokens", root_, 1, INT_MAX).value_or(0));
  }
}

void RequestReader::system(const Json& body) {
  const Json* value = SchemaReader::optional(body, "system");
  if (value == nullptr) {
    return;
  }
  const Path at = root_ / "system";
  if (value->is_string()) {
    request_.system.push_back(value->get<std::string>());
    return;
  }
  if (!value->is_array()) {
    reader_.fail(at, "Input should be a valid string or a list of text blocks");
    return;
  }
  if (!reader_.is_short(*value, at, kMaxBlocks)) {
    return;
  }
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Json& block = (*value)[i];
    const Path here = at / i;
    if (!reader_.is_object(block, here)) {
      return;
    }
    content_.note_cache_control(block);
    if (reader_.required_string(block, "type", here) != "text") {
      reader_.fail(here / "type", "Input should be 'text'");
      return;
    }
    request_.system.push_back(reader_.required_string(block, "text", here));
  }
}

void RequestReader::messages(const Json& body) {
  const Json* value = reader_.required(body, "messages", root_);
  const Path at = root_ / "messages";
  if (value == nullptr || !reader_.is_array(*value, at, kMaxMessages)) {
    return;
  }
  if (value->empty()) {
    reader_.fail(at, "at least one message is required");
  }
  request_.messages.reserve(value->size());
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Path here = at / i;
    if (reader_.is_object((*value)[i], here)) {
      request_.messages.push_back(message((*value)[i], here));
    }
  }
}

Message RequestReader::message(const Json& value, const Path& at) {
  Message out;
  const std::string role = reader_.required_string(value, "role", at);
  if (role == "assistant") {
    out.role = Role::assistant;
  } else if (role == "system") {
    out.role = Role::system;
  } else if (role != "user") {
    reader_.fail(at / "role", "Input should be 'user', 'assistant' or 'system'");
  }
  if (const Json* content = reader_.required(value, "content", at)) {
    out.content = content_.content(*content, at / "content");
  }
  return out;
}

void RequestReader::tools(Json& body) {
  Json* value = SchemaReader::optional(body, "tools");
  const Path at = root_ / "tools";
  if (value == nullptr || !reader_.is_array(*value, at, kMaxTools)) {
    return;
  }
  request_.tools.reserve(value->size());
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Path here = at / i;
    if (reader_.is_object((*value)[i], here)) {
      request_.tools.push_back(tool((*value)[i], here));
    }
  }
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < request_.tools.size(); ++i) {
    const std::string& name = request_.tools[i].name;
    if (!name.empty() && !names.insert(name).second) {
      reader_.fail(at / i / "name", "Tool names must be unique, and \"" + name + "\" is not");
    }
  }
}

Tool RequestReader::tool(Json& value, const Path& at) {
  Tool out;
  content_.note_cache_control(value);
  out.server_type = reader_.optional_string(value, "type", at);
  if (out.server_type == "custom") {
    out.server_type.clear();
  }
  out.description = reader_.optional_string(value, "description", at);
  out.defer_loading = reader_.optional_bool(value, "defer_loading", at);
  const bool own = out.server_type.empty();
  if (own || SchemaReader::optional(value, "name") != nullptr) {
    out.name = tool_name(value, at);
  }
  Json* schema = SchemaReader::optional(value, "input_schema");
  if (own && schema == nullptr) {
    reader_.fail(at / "input_schema", "Field required");
  }
  if (schema != nullptr && reader_.is_object(*schema, at / "input_schema")) {
    out.input_schema = std::move(*schema);
  }
  if (!own) {
    request_.warnings.push_back(at.to_string() +
                                " is a tool that only Anthropic's own models and servers know; "
                                "it has no schema to show to another model.");
  }
  return out;
}

std::string RequestReader::tool_name(const Json& value, const Path& at) {
  std::string name = reader_.required_string(value, "name", at);
  const bool valid =
      !name.empty() && name.size() <= kToolNameLimit && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
      });
  if (!valid) {
    reader_.fail(at / "name", "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'");
  }
  return name;
}

void RequestReader::tool_choice(const Json& body) {
  const Json* value = SchemaReader::optional(body, "tool_choice");
  const Path at = root_ / "tool_choice";
  if (value == nullptr || !reader_.is_object(*value, at)) {
    return;
  }
  ToolChoice& choice = request_.tool_choice;
  choice.disable_parallel = reader_.optional_bool(*value, "disable_parallel_tool_use", at);
  const std::string type = reader_.required_string(*value, "type", at);
  if (type == "auto") {
    choice.kind = ToolChoice::Kind::automatic;
  } else if (type == "none") {
    choice.kind = ToolChoice::Kind::none;
  } else if (type == "any") {
    choice.kind = ToolChoice::Kind::any;
    if (request_.tools.empty()) {
      reader_.fail(at, "'any' needs at least one tool in tools");
    }
  } else if (type == "tool") {
    choice.kind = ToolChoice::Kind::tool;
    choice.name = reader_.required_string(*value, "name", at);
    if (std::ranges::find(request_.tools, choice.name, &Tool::name) == request_.tools.end()) {
      reader_.fail(at / "name", "Tool '" + choice.name + "' not found in tools");
    }
  } else {
    reader_.fail(at / "type", "Input should be 'auto', 'any', 'tool' or 'none'");
  }
}

void RequestReader::thinking(const Json& body) {
  const Json* value = SchemaReader::optional(body, "thinking");
  const Path at = root_ / "thinking";
  if (value == nullptr || !reader_.is_object(*value, at)) {
    return;
  }
  const std::string type = reader_.required_string(*value, "type", at);
  if (type == "enabled") {
    request_.thinking.kind = Thinking::Kind::enabled;
  } else if (type == "disabled") {
    request_.thinking.kind = Thinking::Kind::disabled;
  } else if (type == "adaptive" || type == "between_tools") { // no local model can be told when
    request_.thinking.kind = Thinking::Kind::adaptive;
  } else {
    reader_.fail(at / "type",
                 "Input should be 'adaptive', 'between_tools', 'disabled' or 'enabled'");
  }
  // Anthropic asks for at least 1,024; a small local model may do well with fewer.
  request_.thinking.budget_tokens = static_cast<int>(
      reader_.optional_integer(*value, "budget_tokens", at, 1, INT_MAX).value_or(0));
}

void RequestReader::output(const Json& body) {
  if (const Json* config = SchemaReader::optional(body, "output_config")) {
    const Path at = root_ / "output_config";
    if (reader_.is_object(*config, at)) {
      request_.effort = reader_.optional_string(*config, "effort", at);
      if (const Json* format = SchemaReader::optional(*config, "format")) {
        output_format(*format, at / "format");
      }
    }
  }
  // The name that the same option had in its beta.
  if (const Json* format = SchemaReader::optional(body, "output_format")) {
    output_format(*format, root_ / "output_format");
  }
}

void RequestReader::output_format(const Json& format, const Path& at) {
  if (!reader_.is_object(format, at)) {
    return;
  }
  if (reader_.required_string(format, "type", at) != "json_schema") {
    reader_.fail(at / "type", "Input should be 'json_schema'");
    return;
  }
  const Json* schema = reader_.required(format, "schema", at);
  if (schema != nullptr && reader_.is_object(*schema, at / "schema")) {
    request_.output_schema = *schema;
  }
}

void RequestReader::sampling(const Json& body) {
  request_.temperature = reader_.optional_number(body, "temperature", root_, 0, 1);
  request_.top_p = reader_.optional_number(body, "top_p", root_, 0, 1);
  request_.min_p = reader_.optional_number(body, "min_p", root_, 0, 1);
  if (const auto top_k = reader_.optional_integer(body, "top_k", root_, 0, INT_MAX)) {
    request_.top_k = static_cast<int>(*top_k);
  }
  // llama.cpp's servers read -1 as "any seed".
  const auto seed = reader_.optional_integer(body, "seed", root_, -1, UINT32_MAX);
  if (seed && *seed >= 0) {
    request_.seed = static_cast<std::uint32_t>(*seed);
  }
}

void RequestReader::stop_sequences(const Json& body) {
  const Json* value = SchemaReader::optional(body, "stop_sequences");
  const Path at = root_ / "stop_sequences";
  if (value == nullptr || !reader_.is_array(*value, at, kMaxStopSequences)) {
    return;
  }
  for (std::size_t i = 0; i < value->size(); ++i) {
    std::string sequence = reader_.string_value((*value)[i], at / i);
    if (sequence.find_first_not_of(" \t\r\n\f\v") == std::string::npos) {
      reader_.fail(at / i, "each stop sequence must contain non-whitespace");
    }
    request_.stop_sequences.push_back(std::move(sequence));
  }
}

} // namespace

std::expected<Request, Error> parse_request(std::string_view body, RequestKind kind) {
  auto json = read_json(body);
  if (!json) {
    return std::unexpected(
        Error{ErrorKind::invalid_request,
              "The request body is not valid JSON: " + json.error().to_string()});
  }
  return RequestReader().read(std::move(*json), kind);
}

} // namespace anyclaude::anthropic
