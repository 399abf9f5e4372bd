#include "backend/openai_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyclaude::backend {
namespace {

using anthropic::ErrorKind;
using testing::AllOf;
using testing::HasSubstr;

struct Refused {
  const char* body;
  std::int64_t prompt;
  std::int64_t context;
};

class ContextRefusalTest : public testing::TestWithParam<Refused> {};

TEST_P(ContextRefusalTest, GivesTheNumbers) {
  const auto refusal = context_refusal(GetParam().body);
  ASSERT_TRUE(refusal) << GetParam().body;
  EXPECT_EQ(refusal->prompt, GetParam().prompt) << GetParam().body;
  EXPECT_EQ(refusal->context, GetParam().context) << GetParam().body;
}

INSTANTIATE_TEST_SUITE_P(
    Servers, ContextRefusalTest,
    testing::Values(
        // llama-server (tools/server, exceed_context_size_error)
        Refused{
            R"({"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}})",
            5000, 4096},
        // vLLM before 0.9 (serving_engine.py)
        Refused{
            R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5100 tokens (5000 in the messages, 100 in the completion). Please reduce the length of the messages or completion.","type":"BadRequestError","code":400})",
            5000, 4096},
        // vLLM from 0.9 on
        Refused{
            R"({"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 40960 tokens and your request has 18490 input tokens (32000 > 40960 - 18490).","type":"BadRequestError","code":400}})",
            18490, 40960},
        // SGLang (tokenizer_manager.py)
        Refused{
            R"({"object":"error","message":"The input (5000 tokens) is longer than the model's context length (4096 tokens).","code":400})",
            5000, 4096},
        Refused{
            R"({"object":"error","message":"Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5100 tokens: 1000 tokens from the input messages and 4100 tokens for the completion.","code":400})",
            1000, 4096},
        // LM Studio
        Refused{
            R"({"error":"Trying to keep the first 18490 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."})",
            18490, 4096},
        // OpenAI
        Refused{
            R"({"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens. Please reduce the length of the messages.","code":"context_length_exceeded"}})",
            130000, 128000}));

TEST(ContextRefusal, IsNotSeenInOtherRefusals) {
  EXPECT_FALSE(context_refusal(R"({"error":{"message":"temperature must be at most 2"}})"));
  EXPECT_FALSE(context_refusal("<html>502 Bad Gateway</html>"));
  EXPECT_FALSE(context_refusal(""));
}

const OpenAiDialect& llama() {
  return *find_openai_dialect("llama-cpp");
}

TEST(OpenAiError, SaysWhichServerWhatWasTriedAndWhatToDo) {
  const auto error = error_of_failure(
      {upstream::FailureKind::unreachable, "http://127.0.0.1:8080: Connection refused"}, 3, llama(),
      "http://127.0.0.1:8080");
  EXPECT_EQ(error.kind, ErrorKind::overloaded);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("llama.cpp's server at http://127.0.0.1:8080"), HasSubstr("3 times"),
                    HasSubstr("Connection refused"), HasSubstr("llama-server -m")));
}

TEST(OpenAiError, KindsByStatus) {
  const auto kind = [](int status) {
    return error_of_status(status, R"({"error":{"message":"why"}})", llama(), "http://x").kind;
  };
  EXPECT_EQ(kind(400), ErrorKind::invalid_request);
  EXPECT_EQ(kind(422), ErrorKind::invalid_request);
  EXPECT_EQ(kind(401), ErrorKind::permission); // a 401 would send the client's user to a login
  EXPECT_EQ(kind(404), ErrorKind::not_found);
  EXPECT_EQ(kind(413), ErrorKind::request_too_large);
  EXPECT_EQ(kind(429), ErrorKind::rate_limit);
  EXPECT_EQ(kind(503), ErrorKind::overloaded);
  EXPECT_EQ(kind(500), ErrorKind::api);
  EXPECT_EQ(kind(302), ErrorKind::api);
}

TEST(OpenAiError, AHubNameThatIsAPathIsRecognised) {
  const auto error = error_of_status(
      500,
      R"({"detail":"401 Client Error. Repository Not Found for url: https://huggingface.co/api/models//home/ann/model/revision/main."})",
      *find_openai_dialect("mlx-omni"), "http://127.0.0.1:10240");
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message, AllOf(HasSubstr("local path"), HasSubstr("pip install -U")));
}

TEST(OpenAiError, TextInWhateverShape) {
  EXPECT_EQ(error_text(R"({"error":{"message":"a"}})"), "a");
  EXPECT_EQ(error_text(R"({"error":"b"})"), "b");
  EXPECT_EQ(error_text(R"({"detail":"c"})"), "c");
  EXPECT_EQ(error_text(R"({"message":"d"})"), "d");
  EXPECT_EQ(error_text(R"({"detail":[{"loc":["body","x"],"msg":"extra"}]})"),
            R"([{"loc":["body","x"],"msg":"extra"}])");
  EXPECT_EQ(error_text("plain\ntext"), "plain text");
  EXPECT_EQ(error_text(""), "(no reason given)");
}

} // namespace
} // namespace anyclaude::backend
