#include "anthropic/events.h"
#include "anthropic/json_reader.h"
#include "anthropic/sse_reader.h"
#include "text/utf8.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

namespace anyclaude::anthropic {
namespace {

/// Text rich in what framing could break on.
rc::Gen<std::string> hostile_text() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::oneOf(
          rc::gen::element<std::string>("\n", "\r", "\r\n", "\n\n", "data: x", "event: error",
                                        std::string(1, '\0'), "\"", "\\", "\\u0041", ":", " ",
                                        "\xE2\x80\xA8", "\xE2\x80\xA9", "\xC2\x85", "\xEF\xBB\xBF",
                                        "\xF0\x9F\x98\x80", "\x7F", "\x1C"),
          rc::gen::map(rc::gen::arbitrary<std::string>(),
                       [](const std::string& bytes) { return text::to_valid_utf8(bytes); }))),
      [](const std::vector<std::string>& parts) {
        std::string out;
        for (const std::string& part : parts) {
          out += part;
        }
        return out;
      });
}

rc::Gen<Event> content_event() {
  return rc::gen::oneOf(
      rc::gen::map(hostile_text(), [](std::string s) -> Event { return TextDelta{std::move(s)}; }),
      rc::gen::map(hostile_text(),
                   [](std::string s) -> Event { return ThinkingDelta{std::move(s)}; }),
      rc::gen::map(hostile_text(),
                   [](std::string s) -> Event { return ThinkingSignature{std::move(s)}; }),
      rc::gen::map(hostile_text(),
                   [](std::string s) -> Event { return ToolUseStart{s, std::move(s)}; }),
      rc::gen::map(hostile_text(), [](const std::string& s) -> Event {
        return ToolInputDelta{Json{{"k", s}}.dump()};
      }));
}

/// What an SDK does with a stream: builds the content of the message from its frames, and checks
/// their order on the way.
Json content_from_stream(const std::vector<SseEvent>& events) {
  Json content = Json::array();
  std::string input;
  bool open = false;
  bool stopped = false;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Json data = Json::parse(events[i].data);
    const std::string type = data.at("type");
    RC_ASSERT(type == events[i].event);
    RC_ASSERT((type == "message_start") == (i == 0));
    RC_ASSERT(!stopped);
    if (type == "content_block_start") {
      RC_ASSERT(!open);
      RC_ASSERT(data.at("index") == content.size());
      open = true;
      input.clear();
      content.push_back(data.at("content_block"));
    } else if (type == "content_block_delta") {
      RC_ASSERT(open);
      RC_ASSERT(data.at("index") == content.size() - 1);
      const Json& delta = data.at("delta");
      const std::string kind = delta.at("type");
      Json& block = content.back();
      if (kind == "input_json_delta") {
        input += delta.at("partial_json").get<std::string>();
      } else {
        const std::string key = kind.substr(0, kind.find('_'));
        block.at(key) = block.at(key).get<std::string>() + delta.at(key).get<std::string>();
      }
    } else if (type == "content_block_stop") {
      RC_ASSERT(open);
      open = false;
      if (content.back().at("type") == "tool_use") {
        auto parsed = read_json(input);
        content.back()["input"] = parsed ? *parsed : Json::object();
      }
    } else if (type == "message_stop") {
      RC_ASSERT(!open);
      stopped = true;
    }
  }
  RC_ASSERT(stopped);
  return content;
}

RC_GTEST_PROP(EventsProperty, StreamAndMessageAgreeForAnyText, ()) {
  const auto events = *rc::gen::container<std::vector<Event>>(content_event());
  SseEncoder encoder("msg_1", "model", "req_1");
  MessageBuilder builder("msg_1", "model");
  std::string stream;
  const auto feed = [&](const Event& event) {
    stream += encoder.encode(event);
    builder.add(event);
  };
  feed(Started{});
  for (const Event& event : events) {
    feed(event);
  }
  feed(Finished{});

  SseReader reader;
  std::vector<SseEvent> frames;
  for (std::size_t i = 0; i < stream.size();) { // in pieces as a network gives them
    const auto size = *rc::gen::inRange<std::size_t>(1, 200);
    for (SseEvent& event : reader.push(std::string_view(stream).substr(i, size))) {
      frames.push_back(std::move(event));
    }
    i += size;
  }
  RC_ASSERT(reader.at_border());
  RC_ASSERT(content_from_stream(frames) == Json::parse(builder.body()).at("content"));
}

RC_GTEST_PROP(EventsProperty, AnErrorsMessageSurvivesFraming, ()) {
  const std::string message = *hostile_text();
  SseEncoder encoder("msg_1", "model", "req_1");
  const auto frames = SseReader().push(encoder.encode(Failed{{ErrorKind::api, message}}));
  RC_ASSERT(frames.size() == 1U);
  RC_ASSERT(Json::parse(frames[0].data).at("error").at("message") == message);
}

} // namespace
} // namespace anyclaude::anthropic
