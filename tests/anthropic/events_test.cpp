#include "anthropic/events.h"
#include "anthropic/sse_reader.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anyclaude::anthropic {
namespace {

using Json = nlohmann::ordered_json;

std::string stream_of(const std::vector<Event>& events) {
  SseEncoder encoder("msg_1", "qwen", "req_1");
  std::string out;
  for (const Event& event : events) {
    out += encoder.encode(event);
  }
  return out;
}

std::vector<std::string> frames_of(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const SseEvent& event : SseReader().push(stream_of(events))) {
    EXPECT_EQ(Json::parse(event.data)["type"], event.event);
    out.push_back(event.data);
  }
  return out;
}

const Usage kUsage{.input_tokens = 10,
                   .cache_read_input_tokens = 20,
                   .cache_creation_input_tokens = 30,
                   .output_tokens = 1};

TEST(ServerTools, AreUnavailableInBothForms) {
  const std::vector<Event> events{
      Started{kUsage}, ServerToolUnavailable{"srvtoolu_1", "web_search", R"({"query":"x"})"},
      TextDelta{"It is not there."}, Finished{StopReason::end_turn, "", kUsage}};
  const Json result =
      Json::parse(R"({"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":)"
                  R"({"type":"web_search_tool_result_error","error_code":"unavailable"}})");
  const auto frames = frames_of(events);
  ASSERT_GE(frames.size(), 7U);
  EXPECT_EQ(Json::parse(frames[1])["content_block"]["type"], "server_tool_use");
  EXPECT_EQ(Json::parse(frames[2])["delta"]["partial_json"], R"({"query":"x"})");
  EXPECT_EQ(Json::parse(frames[4])["content_block"], result);
  EXPECT_EQ(Json::parse(frames[4])["index"], 1);
  EXPECT_EQ(Json::parse(frames[5])["type"], "content_block_stop");
  MessageBuilder builder("msg_1", "qwen");
  for (const Event& event : events)
    builder.add(event);
  const Json content = Json::parse(builder.body())["content"];
  ASSERT_EQ(content.size(), 3U);
  EXPECT_EQ(content[0]["input"], (Json{{"query", "x"}}));
  EXPECT_EQ(content[1], result);
}

TEST(SseEncoder, AnAnswerOfTextByteForByte) {
  EXPECT_EQ(
      stream_of({PrefillProgress{1, 2}, Started{kUsage}, TextDelta{"Hi"},
                 Finished{StopReason::end_turn, "", {10, 20, 30, 7}}}),
      "event: message_start\n"
      R"(data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",)"
      R"("content":[],"model":"qwen","stop_reason":null,"stop_sequence":null,"usage":{)"
      R"("input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,)"
      R"("output_tokens":1}}})"
      "\n\n"
      "event: content_block_start\n"
      R"(data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"
      "\n\n"
      "event: content_block_delta\n"
      R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}})"
      "\n\n"
      "event: content_block_stop\n"
      R"(data: {"type":"content_block_stop","index":0})"
      "\n\n"
      "event: message_delta\n"
      R"(data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},)"
      R"("usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,)"
      R"("output_tokens":7}})"
      "\n\n"
      "event: message_stop\n"
      R"(data: {"type":"message_stop"})"
      "\n\n");
}

TEST(SseEncoder, BlocksOpenAndCloseByThemselves) {
  const auto frames = frames_of(
      {Started{}, ThinkingDelta{"hm"}, ThinkingSignature{"sig"}, TextDelta{"a"}, TextDelta{"b"},
       ToolUseStart{"toolu_1", "Bash"}, ToolInputDelta{"{\"a\""}, ToolInputDelta{":1}"},
       ToolUseStart{"toolu_2", "Read"}, Finished{StopReason::tool_use, "", {}}});
  const std::vector<std::string> between(frames.begin() + 1, frames.end() - 2);
  const std::vector<std::string> want = {
      R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})",
      R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})",
      R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}})",
      R"({"type":"content_block_stop","index":0})",
      R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})",
      R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}})",
      R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"b"}})",
      R"({"type":"content_block_stop","index":1})",
      R"({"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"Bash","input":{}}})",
      R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}})",
      R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":":1}"}})",
      R"({"type":"content_block_stop","index":2})",
      R"({"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"Read","input":{}}})",
      R"({"type":"content_block_stop","index":3})"};
  EXPECT_EQ(between, want);
}

TEST(SseEncoder, NamesTheStopSequence) {
  const auto frames = frames_of({Started{}, Finished{StopReason::stop_sequence, "END", {}}});
  EXPECT_NE(frames.at(1).find(R"("stop_reason":"stop_sequence","stop_sequence":"END")"),
            std::string::npos);
}

TEST(SseEncoder, AFailureIsAnErrorFrameAndTheLast) {
  const auto frames =
      frames_of({Started{}, TextDelta{"a"}, Failed{{ErrorKind::overloaded, "no \"room\""}},
                 TextDelta{"late"}, Finished{}});
  EXPECT_EQ(
      frames.back(),
      R"({"type":"error","error":{"type":"overloaded_error","message":"no \"room\""},"request_id":"req_1"})");
}

TEST(SseEncoder, EmptyDeltasAndStrayInputGiveNothing) {
  SseEncoder encoder("m", "q", "r");
  EXPECT_EQ(encoder.encode(PrefillProgress{0, 5}), "");
  EXPECT_EQ(encoder.encode(TextDelta{""}), "");
  EXPECT_EQ(encoder.encode(ThinkingDelta{""}), "");
  EXPECT_EQ(encoder.encode(ToolInputDelta{"{}"}), "");
}

TEST(SseEncoder, MessageStartComesFirstAndOnce) {
  EXPECT_TRUE(
      frames_of({TextDelta{"a"}, Started{kUsage}}).at(0).starts_with(R"({"type":"message_start")"));
  EXPECT_EQ(frames_of({TextDelta{"a"}, Started{kUsage}}).size(), 3U);
  EXPECT_TRUE(frames_of({Finished{}}).at(0).starts_with(R"({"type":"message_start")"));
}

TEST(SseEncoder, NoByteThatSomeClientTakesForALineBreak) {
  const std::string stream = stream_of({Started{}, TextDelta{"a\xE2\x80\xA8"
                                                             "b\xE2\x80\xA9"
                                                             "c\xC2\x85"
                                                             "d\r\n\x0B\x0C\x1C"}});
  EXPECT_EQ(stream.find("\xE2\x80"), std::string::npos);
  EXPECT_EQ(stream.find("\xC2\x85"), std::string::npos);
  EXPECT_EQ(stream.find_first_of("\r\x0B\x0C\x1C"), std::string::npos);
}

TEST(SseEncoder, Ping) {
  EXPECT_EQ(SseEncoder::ping(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

std::string message_of(const std::vector<Event>& events) {
  MessageBuilder builder("msg_1", "qwen");
  for (const Event& event : events) {
    builder.add(event);
  }
  return builder.body();
}

TEST(MessageBuilder, GathersBlocks) {
  EXPECT_EQ(
      message_of({Started{kUsage}, ThinkingDelta{"h"}, ThinkingDelta{"m"}, ThinkingSignature{"sig"},
                  ThinkingDelta{"more"}, TextDelta{"a"}, TextDelta{"b"}, ToolUseStart{"t1", "Bash"},
                  ToolInputDelta{"{\"z\":1,"}, ToolInputDelta{"\"a\":\"é\"}"},
                  ToolUseStart{"t2", "Read"}, TextDelta{"c"},
                  Finished{StopReason::tool_use, "", {10, 20, 30, 40}}}),
      R"({"id":"msg_1","type":"message","role":"assistant","content":[)"
      R"({"type":"thinking","thinking":"hm","signature":"sig"},)"
      R"({"type":"thinking","thinking":"more","signature":""},)"
      R"({"type":"text","text":"ab"},)"
      R"({"type":"tool_use","id":"t1","name":"Bash","input":{"z":1,"a":"é"}},)"
      R"({"type":"tool_use","id":"t2","name":"Read","input":{}},)"
      R"({"type":"text","text":"c"}],)"
      R"("model":"qwen","stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,)"
      R"("cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":40}})");
}

TEST(MessageBuilder, AnInputThatIsNoObjectBecomesAnEmptyOne) {
  for (const char* input : {"{\"a\":", "[1]", "7", "\xFF"}) {
    const auto message = Json::parse(message_of(
        {ToolUseStart{"t", "n"}, ToolInputDelta{input}, Finished{StopReason::tool_use, "", {}}}));
    EXPECT_EQ(message["content"][0]["input"], Json::object()) << input;
  }
}

TEST(MessageBuilder, StopSequenceAndEmptyContent) {
  const auto message = Json::parse(message_of({Finished{StopReason::stop_sequence, "END", {}}}));
  EXPECT_EQ(message["stop_sequence"], "END");
  EXPECT_EQ(message["content"], Json::array());
}

} // namespace
} // namespace anyclaude::anthropic
