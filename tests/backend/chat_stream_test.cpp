#include "backend/chat_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <format>

namespace anyclaude::backend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

std::string usage_text(const anthropic::Usage& usage) {
  return std::format("{}+{}+{}>{}", usage.input_tokens, usage.cache_read_input_tokens,
                     usage.cache_creation_input_tokens, usage.output_tokens);
}

/// One line for an event; texts that follow each other are put together.
std::vector<std::string> lines(const std::vector<anthropic::Event>& events) {
  std::vector<std::string> out;
  std::string kind;
  const auto add = [&](std::string_view of, const std::string& text) {
    if (kind == of && !out.empty())
      out.back() += text;
    else
      out.push_back(std::string(of) + text);
    kind = of;
  };
  for (const auto& event : events)
    std::visit(Overloaded{
                   [&](const anthropic::PrefillProgress& e) {
                     kind.clear();
                     out.push_back(std::format("progress {}/{}", e.done, e.total));
                   },
                   [&](const anthropic::Started& e) { add("start ", usage_text(e.usage)); },
                   [&](const anthropic::TextDelta& e) { add("text ", e.text); },
                   [&](const anthropic::ThinkingDelta& e) { add("think ", e.thinking); },
                   [&](const anthropic::ThinkingSignature&) { add("sign", ""); },
                   [&](const anthropic::ToolUseStart& e) {
                     EXPECT_TRUE(e.id.starts_with("toolu_"));
                     kind.clear();
                     add("call ", e.name + " ");
                   },
                   [&](const anthropic::ToolInputDelta& e) { add("call ", e.partial_json); },
                   [&](const anthropic::ServerToolUnavailable& e) { add("server ", e.name); },
                   [&](const anthropic::Finished& e) {
                     kind.clear();
                     out.push_back(std::format("end {} {}", anthropic::to_string(e.reason),
                                               usage_text(e.usage)));
                   },
                   [&](const anthropic::Failed& e) {
                     kind.clear();
                     out.push_back("failed " + e.error.message);
                   },
               },
               event);
  return out;
}

struct ChatStreamTest : testing::Test {
  ChatStreamTest() {
    options.server = "the server";
    options.estimated_prompt = 100;
    options.max_tokens = 50;
    options.format.tools = std::make_shared<const answer::ToolSet>(std::vector<answer::ToolSpec>{
        {"Read", Json::parse(R"({"type":"object","properties":{"path":{"type":"string"}}})")},
        {"Bash", Json::parse(R"({"type":"object"})")}});
  }

  ChatStream::Options options;
  std::vector<anthropic::Event> events;

  ChatStream make() {
    return {options, [this](anthropic::Event event) { events.push_back(std::move(event)); }};
  }

  static std::string delta(const std::string& json) {
    return R"({"choices":[{"index":0,"delta":)" + json + "}]}";
  }
  static std::string stop(const std::string& reason) {
    return R"({"choices":[{"index":0,"delta":{},"finish_reason":")" + reason + R"("}]})";
  }

  /// The lines of a stream of these chunks, ended as it should be.
  std::vector<std::string> read(const std::vector<std::string>& chunks) {
    events.clear();
    ChatStream stream = make();
    for (const auto& chunk : chunks)
      stream.data(chunk);
    stream.data("[DONE]");
    stream.end();
    return lines(events);
  }
};

TEST_F(ChatStreamTest, TextWithUsageAtTheEnd) {
  EXPECT_THAT(read({delta(R"({"role":"assistant","content":""})"), delta(R"({"content":"Hel"})"),
                    delta(R"({"content":"lo."})"), stop("stop"),
                    R"({"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":3,
                "prompt_tokens_details":{"cached_tokens":80}}})"}),
              ElementsAre("start 100+0+0>0", "text Hello.", "end end_turn 10+80+0>3"));
}

TEST_F(ChatStreamTest, AClientThatMarksBreakpointsHearsWhatWasKept) {
  options.caching = true;
  EXPECT_THAT(read({delta(R"({"content":"x"})"), stop("stop"),
                    R"({"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":3,
                        "prompt_tokens_details":{"cached_tokens":80}}})"})
                  .back(),
              "end end_turn 1+80+9>3");
}

TEST_F(ChatStreamTest, CachedTokensThatAreNotReportedAreNotGuessed) {
  options.caching = true;
  EXPECT_THAT(read({delta(R"({"content":"x"})"), stop("stop"),
                    R"({"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":3,
                        "prompt_tokens_details":null}})"})
                  .back(),
              "end end_turn 90+0+0>3");
}

TEST_F(ChatStreamTest, UsageInEveryChunkIsTheFirstEventsToo) {
  EXPECT_THAT(
      read(
          {R"({"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":90,"completion_tokens":1}})",
           stop("length")}),
      ElementsAre("start 90+0+0>1", "text x", "end max_tokens 90+0+0>1"));
}

TEST_F(ChatStreamTest, CountsThatCannotBeAreNotBelieved) {
  options.caching = true;
  EXPECT_THAT(read({R"({"choices":[],"usage":{"prompt_tokens":-5,"completion_tokens":-1,
                        "prompt_tokens_details":{"cached_tokens":9223372036854775807}}})",
                    R"({"choices":[],"timings":{"prompt_n":9223372036854775807,
                        "cache_n":18446744073709551615,"predicted_n":-9}})",
                    delta(R"({"content":"x"})"), stop("stop")})
                  .back(),
              "end end_turn 100+0+0>1");
}

TEST_F(ChatStreamTest, LlamaServersProgressAndTimings) {
  EXPECT_THAT(
      read(
          {R"({"choices":[{"delta":{"role":"assistant","content":null}}],"prompt_progress":{"total":90,"cache":80,"processed":85,"time_ms":3}})",
           R"({"choices":[{"delta":{"content":"x"}}],"timings":{"cache_n":80,"prompt_n":10,"predicted_n":1}})",
           stop("stop")}),
      ElementsAre("progress 85/90", "start 10+80+0>1", "text x", "end end_turn 10+80+0>1"));
}

TEST_F(ChatStreamTest, CommentsOfMlxAreProgress) {
  ChatStream stream = make();
  stream.comment("keepalive 512/18490");
  stream.comment("keepalive");
  stream.comment("keepalive x/y");
  stream.comment("ping");
  EXPECT_THAT(lines(events), ElementsAre("progress 512/18490"));
}

TEST_F(ChatStreamTest, ReasoningByBothNames) {
  options.format.show_thinking = true;
  EXPECT_THAT(
      read({delta(R"({"reasoning_content":"Hm"})"), delta(R"({"reasoning":"m."})"),
            delta(R"({"content":"\n\nYes."})"), stop("stop")}),
      ElementsAre("start 100+0+0>0", "think Hmm.", "sign", "text Yes.", "end end_turn 100+0+0>3"));
}

TEST_F(ChatStreamTest, ThinkingInTheTextIsToldApart) {
  options.format.show_thinking = true;
  EXPECT_THAT(
      read({delta(R"({"content":"<thi"})"), delta(R"({"content":"nk>Hm.</think>Yes."})"),
            stop("stop")}),
      ElementsAre("start 100+0+0>0", "think Hm.", "sign", "text Yes.", "end end_turn 100+0+0>2"));
}

TEST_F(ChatStreamTest, ThinkingThatWasNotAskedForIsLeftOut) {
  options.format.show_thinking = false;
  EXPECT_THAT(read({delta(R"({"reasoning":"Hm."})"), delta(R"({"content":"Yes."})"), stop("stop")}),
              ElementsAre("start 100+0+0>0", "text Yes.", "end end_turn 100+0+0>2"));
}

TEST_F(ChatStreamTest, ToolCallsInPieces) {
  EXPECT_THAT(
      read(
          {delta(R"({"content":"Let me look."})"),
           delta(
               R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"Read","arguments":""}}]})"),
           delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"path\": \"/a"}}]})"),
           delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"b\"}"}}]})"),
           delta(
               R"({"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"Bash","arguments":"{}"}}]})"),
           stop("tool_calls")}),
      ElementsAre("start 100+0+0>0", "text Let me look.", R"(call Read {"path":"/ab"})",
                  "call Bash {}", "end tool_use 100+0+0>5"));
}

/// Wherever a server cuts it, also beside a space within a string.
TEST_F(ChatStreamTest, AnInputIsTheSameHoweverItIsCut) {
  const std::string input = R"( {"command":"ls | tee a b", "n": 1})";
  const auto piece = [](std::string_view text) {
    return delta(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"Bash","arguments":)" +
                 Json(text).dump() + "}}]}");
  };
  for (std::size_t cut = 0; cut <= input.size(); ++cut)
    EXPECT_THAT(read({piece(input.substr(0, cut)), piece(input.substr(cut)), stop("tool_calls")}),
                ElementsAre("start 100+0+0>0", R"(call Bash {"command":"ls | tee a b","n":1})",
                            "end tool_use 100+0+0>2"))
        << cut;
}

TEST_F(ChatStreamTest, WholeCallsInOneChunkWithoutIndexes) {
  EXPECT_THAT(read({delta(R"({"content":"\n","tool_calls":[
                      {"id":"a","function":{"name":"Read","arguments":{"path":"x"}}},
                      {"id":"b","function":{"name":"Read","arguments":null}}]})"),
                    stop("stop")}),
              ElementsAre("start 100+0+0>0", R"(call Read {"path":"x"})", "call Read {}",
                          "end tool_use 100+0+0>2"));
}

TEST_F(ChatStreamTest, AnInputThatWasCutIsNotToBeCarriedOut) {
  EXPECT_THAT(
      read(
          {delta(
               R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"Read","arguments":"{\"path\":\"/a"}}]})"),
           stop("stop")}),
      ElementsAre("start 100+0+0>0", R"(call Read {"path":"/a"})", "end max_tokens 100+0+0>1"));
}

TEST_F(ChatStreamTest, CallsLeftInTheTextAreFound) {
  EXPECT_THAT(read({delta(R"({"content":"Look:\n<tool"})"),
                    delta(R"({"content":"_call>\n{\"name\": \"Read\", "})"),
                    delta(R"({"content":"\"arguments\": {\"path\": \"x\"}}\n</tool_call>"})"),
                    stop("stop")}),
              ElementsAre("start 100+0+0>0", "text Look:", R"(call Read {"path":"x"})",
                          "end tool_use 100+0+0>3"));
  events.clear();
  EXPECT_THAT(
      read(
          {delta(
               R"({"content":"<tool_call>\n<function=Read>\n<parameter=path>\nx\n</parameter>\n</function>\n</tool_call>"})"),
           stop("stop")}),
      ElementsAre("start 100+0+0>0", R"(call Read {"path":"x"})", "end tool_use 100+0+0>1"));
}

TEST_F(ChatStreamTest, AMarkerThatOpensNothingIsText) {
  EXPECT_THAT(read({delta(R"({"content":"The tag <tool_call> is"})"),
                    delta(R"({"content":" Qwen's. <tool"})"), stop("stop")}),
              ElementsAre("start 100+0+0>0", "text The tag <tool_call> is Qwen's. <tool",
                          "end end_turn 100+0+0>2"));
}

TEST_F(ChatStreamTest, StopSequencesAreFoundHere) {
  options.stop_sequences = {"END"};
  ChatStream stream = make();
  stream.data(delta(R"({"content":"one E"})"));
  stream.data(delta(R"({"content":"ND two"})"));
  EXPECT_TRUE(stream.ended());
  stream.data(delta(R"({"content":"three"})"));
  EXPECT_THAT(lines(events),
              ElementsAre("start 100+0+0>0", "text one ", "end stop_sequence 100+0+0>2"));
}

TEST_F(ChatStreamTest, AFullContextIsSaid) {
  options.context_tokens = 100;
  EXPECT_THAT(read({delta(R"({"content":"x"})"), stop("length"),
                    R"({"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":10}})"})
                  .back(),
              "end model_context_window_exceeded 90+0+0>10");
}

TEST_F(ChatStreamTest, AWholeCompletionInsteadOfAStream) {
  ChatStream stream = make();
  stream.whole(R"({"choices":[{"message":{"role":"assistant","content":"Hi.","tool_calls":[]},
                   "finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}})");
  EXPECT_THAT(lines(events), ElementsAre("start 9+0+0>2", "text Hi.", "end end_turn 9+0+0>2"));
}

TEST_F(ChatStreamTest, FaultsAreSaid) {
  ChatStream cut = make();
  cut.data(delta(R"({"content":"x"})"));
  cut.end();
  EXPECT_THAT(lines(events).back(), HasSubstr("failed the server ended its answer without an end"));
  events.clear();
  ChatStream garbage = make();
  garbage.data("<html>");
  EXPECT_THAT(lines(events), ElementsAre(HasSubstr("no part of an answer: <html>")));
  events.clear();
  ChatStream error = make();
  error.data(R"({"error":{"message":"out of memory","code":500}})");
  EXPECT_THAT(lines(events),
              ElementsAre("failed the server failed while it answered: out of memory"));
}

TEST_F(ChatStreamTest, ACharacterCutBetweenChunksDoesNotEndTheAnswer) {
  EXPECT_THAT(read({delta("{\"content\":\"a\xE2\x82\"}"), stop("stop")}),
              ElementsAre("start 100+0+0>0", "text a\xEF\xBF\xBD", "end end_turn 100+0+0>1"));
}

} // namespace
} // namespace anyclaude::backend
