#include "anthropic/json_reader.h"
#include "anthropic/messages.h"
#include "text/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace anyclaude::anthropic {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

/// The plain shape of a parsed block: what a client would send for it.
Json serialised(const ResultBlock& block) {
  return std::visit(
      Overloaded{
          [](const TextBlock& b) { return Json{{"type", "text"}, {"text", b.text}}; },
          [](const ImageBlock& b) {
            return Json{
                {"type", "image"},
                {"source", {{"type", "base64"}, {"media_type", b.media_type}, {"data", *b.data}}}};
          },
          [](const ToolReferenceBlock& b) {
            return Json{{"type", "tool_reference"}, {"tool_name", b.tool_name}};
          },
          [](const UnsupportedBlock& b) { return Json{{"type", b.type}}; },
      },
      block);
}

Json serialised(const ContentBlock& block) {
  return std::visit(
      Overloaded{
          [](const ThinkingBlock& b) {
            return Json{{"type", "thinking"}, {"thinking", b.thinking}, {"signature", b.signature}};
          },
          [](const ToolUseBlock& b) {
            return Json{{"type", "tool_use"}, {"id", b.id}, {"name", b.name}, {"input", b.input}};
          },
          [](const ToolResultBlock& b) {
            Json content = Json::array();
            for (const ResultBlock& inner : b.content) {
              content.push_back(serialised(inner));
            }
            return Json{{"type", "tool_result"},
                        {"tool_use_id", b.tool_use_id},
                        {"content", std::move(content)},
                        {"is_error", b.is_error}};
          },
          [](const auto& shared) { return serialised(ResultBlock(shared)); },
      },
      block);
}

Json serialised(const Request& request) {
  Json messages = Json::array();
  for (const Message& message : request.messages) {
    Json content = Json::array();
    for (const ContentBlock& block : message.content) {
      content.push_back(serialised(block));
    }
    const char* role = message.role == Role::user        ? "user"
                       : message.role == Role::assistant ? "assistant"
                                                         : "system";
    messages.push_back({{"role", role}, {"content", std::move(content)}});
  }
  Json system = Json::array();
  for (const std::string& text : request.system) {
    system.push_back({{"type", "text"}, {"text", text}});
  }
  Json tools = Json::array();
  for (const Tool& tool : request.tools) {
    tools.push_back({{"name", tool.name},
                     {"description", tool.description},
                     {"input_schema", *tool.input_schema},
                     {"defer_loading", tool.defer_loading}});
  }
  Json body = {{"model", request.model},           {"system", std::move(system)},
               {"messages", std::move(messages)},  {"tools", std::move(tools)},
               {"max_tokens", request.max_tokens}, {"stream", request.stream}};
  if (request.temperature) {
    body["temperature"] = *request.temperature;
  }
  return body;
}

rc::Gen<std::string> some_text() {
  return rc::gen::map(rc::gen::arbitrary<std::string>(),
                      [](const std::string& bytes) { return text::to_valid_utf8(bytes); });
}

rc::Gen<Json> some_object() {
  return rc::gen::map(rc::gen::container<std::vector<std::pair<std::string, std::string>>>(
                          rc::gen::pair(some_text(), some_text())),
                      [](const std::vector<std::pair<std::string, std::string>>& members) {
                        Json object = Json::object();
                        for (const auto& [key, value] : members) {
                          object[key] = {value, {{"n", value.size()}}};
                        }
                        return object;
                      });
}

Json random_block(bool inside_result) {
  switch (*rc::gen::inRange(0, inside_result ? 4 : 7)) {
  case 0:
    return {{"type", "text"}, {"text", *some_text()}};
  case 1:
    return {{"type", "image"},
            {"source", {{"type", "base64"}, {"media_type", "image/png"}, {"data", *some_text()}}}};
  case 2:
    return {{"type", "tool_reference"}, {"tool_name", *some_text()}};
  case 3:
    return {{"type", "block_from_the_future"}};
  case 4:
    return {{"type", "thinking"}, {"thinking", *some_text()}, {"signature", *some_text()}};
  case 5:
    return {{"type", "tool_use"}, {"id", *some_text()}, {"name", "T"}, {"input", *some_object()}};
  default: {
    Json content = Json::array();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
      content.push_back(random_block(true));
    }
    return {{"type", "tool_result"},
            {"tool_use_id", *some_text()},
            {"content", std::move(content)},
            {"is_error", *rc::gen::arbitrary<bool>()}};
  }
  }
}

/// A valid body in the shape that serialised() gives back.
Json random_body() {
  Json messages = Json::array();
  for (int i = *rc::gen::inRange(1, 5); i > 0; --i) {
    Json content = Json::array();
    for (int k = *rc::gen::inRange(0, 4); k > 0; --k) {
      content.push_back(random_block(false));
    }
    const std::string role = *rc::gen::element<std::string>("user", "assistant", "system");
    messages.push_back({{"role", role}, {"content", std::move(content)}});
  }
  Json system = Json::array();
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    system.push_back({{"type", "text"}, {"text", *some_text()}});
  }
  Json tools = Json::array();
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    tools.push_back({{"name", "tool_" + std::to_string(i)},
                     {"description", *some_text()},
                     {"input_schema", *some_object()},
                     {"defer_loading", *rc::gen::arbitrary<bool>()}});
  }
  Json body = {{"model", "m" + *some_text()},
               {"system", std::move(system)},
               {"messages", std::move(messages)},
               {"tools", std::move(tools)},
               {"max_tokens", *rc::gen::inRange(1, 1 << 30)},
               {"stream", *rc::gen::arbitrary<bool>()}};
  if (*rc::gen::arbitrary<bool>()) {
    body["temperature"] = *rc::gen::inRange(0, 101) / 100.0;
  }
  return body;
}

RC_GTEST_PROP(ParseRequestProperty, WhatIsReadIsWhatWasSent, ()) {
  const std::string sent = random_body().dump();
  const auto request = parse_request(sent, RequestKind::messages);
  RC_ASSERT(request.has_value());
  RC_ASSERT(serialised(*request).dump() == sent);
}

RC_GTEST_PROP(ParseRequestProperty, NeitherCutNorMutatedNorRandomBytesCrash, ()) {
  std::string bytes =
      *rc::gen::arbitrary<bool>() ? random_body().dump() : *rc::gen::arbitrary<std::string>();
  for (int i = *rc::gen::inRange(0, 6); i > 0 && !bytes.empty(); --i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    switch (*rc::gen::inRange(0, 3)) {
    case 0:
      bytes[at] = *rc::gen::oneOf(rc::gen::arbitrary<char>(),
                                  rc::gen::element('"', '\\', '{', '}', '[', ']', ',', ':', '0'));
      break;
    case 1:
      bytes.erase(at, *rc::gen::inRange<std::size_t>(1, 20));
      break;
    default:
      bytes.resize(at);
    }
  }
  for (const RequestKind kind : {RequestKind::messages, RequestKind::count_tokens}) {
    const auto request = parse_request(bytes, kind);
    if (request) {
      serialised(*request).dump(); // throws if any string is not valid UTF-8
    } else {
      RC_ASSERT(!request.error().message.empty());
      RC_ASSERT(text::to_valid_utf8(request.error().message) == request.error().message);
    }
  }
}

RC_GTEST_PROP(ParseRequestProperty, ReadingAgreesWithTheLibrarysOwnParser, ()) {
  const std::string text = (*some_object()).dump();
  const auto ours = read_json(text);
  RC_ASSERT(ours.has_value());
  RC_ASSERT(*ours == Json::parse(text));
}

} // namespace
} // namespace anyclaude::anthropic
