#include "prompt/families.h"
#include "prompt/prompt_text.h"

#include <nlohmann/json.hpp>

#include <initializer_list>

/// What each family's template makes of a laid-out request.
namespace anyclaude::prompt {
namespace {

constexpr const char* kRequest = R"({"model":"m","max_tokens":9,"system":"SYSTEM",
  "tools":[{"name":"Bash","description":"TOOL","input_schema":{"type":"object"}}],
  "messages":[{"role":"user","content":"WORDS"},
    {"role":"system","content":"INLINE\n\nWorking directory: /home/ann"})";
constexpr const char* kSession =
    "<system-reminder>\nWorking directory: /home/ann\n</system-reminder>\n\nWORDS";

std::string family_prompt(const char* source, const std::string& more = "") {
  return prompt_text(kRequest + more + "]}", Layout::stable_first, source);
}

void expect_order(const std::string& prompt, std::initializer_list<std::string_view> parts) {
  std::size_t place = 0;
  for (const std::string_view part : parts) {
    const auto found = prompt.find(part, place);
    ASSERT_NE(found, std::string::npos) << part << " is not behind the others in\n" << prompt;
    place = found + part.size();
  }
}

class Families : public testing::TestWithParam<Family> {};

TEST_P(Families, HaveToolsFirstAndKeepThemThere) {
  const std::string first = family_prompt(GetParam().source);
  expect_order(first, {"TOOL", "SYSTEM", "INLINE", "/home/ann", "WORDS"});
  const std::string second =
      family_prompt(GetParam().source,
                    R"(,{"role":"assistant","content":"ANSWER"},{"role":"user","content":"MORE"})");
  expect_order(second, {"TOOL", "SYSTEM", "INLINE", "/home/ann", "WORDS", "ANSWER", "MORE"});
  const auto words = first.find("WORDS");
  EXPECT_EQ(second.substr(0, words), first.substr(0, words));
  for (const std::string_view part : {"SYSTEM", "INLINE", "WORDS", "ANSWER", "MORE"})
    EXPECT_EQ(second.find(part), second.rfind(part)) << part << " stands twice in\n" << second;
}

TEST_P(Families, TakeAToolLoop) {
  const std::string prompt = family_prompt(GetParam().source, R"(,
      {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"Bash",
                                      "input":{"command":"COMMAND"}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"RESULT"}]})");
  expect_order(prompt, {"TOOL", "SYSTEM", "WORDS", "COMMAND", "RESULT"});
}

INSTANTIATE_TEST_SUITE_P(Templates, Families, testing::ValuesIn(families()),
                         [](const auto& family) {
                           std::string name = family.param.name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(FamilyPrompts, QwenCoderGetsASecondSystemTurn) {
  EXPECT_EQ(family_prompt(kQwenCoderLike),
            "<|im_start|>system\nThe tools are described first, and the instructions follow.\n"
            "# Tools\n<tools><function>\n<name>Bash</name>\n<description>TOOL</description>\n"
            "{\"type\": \"object\"}\n</function></tools><|im_end|>\n<|im_start|>system\nSYSTEM\n\n"
            "INLINE<|im_end|>\n<|im_start|>user\n" +
                std::string(kSession) + "<|im_end|>\n<|im_start|>assistant\n");
}

TEST(FamilyPrompts, LlamaGetsASecondSystemTurnOrTheQuestion) {
  const std::string prompt = family_prompt(kLlamaLike);
  EXPECT_TRUE(prompt.starts_with("<|start_header_id|>system<|end_header_id|>\n\nEnvironment: "
                                 "ipython\nThe tools are described first, and the instructions "
                                 "follow.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
                                 "{\"type\": \"function\""))
      << prompt;
  EXPECT_TRUE(prompt.ends_with("\n\nSYSTEM\n\nINLINE\n\n" + std::string(kSession) +
                               "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"))
      << prompt;
}

TEST(FamilyPrompts, MistralKeepsToolsAtTheFirstQuestion) {
  const std::string prompt = family_prompt(
      kMistralLike, R"(,{"role":"assistant","content":"ANSWER"},{"role":"user","content":"MORE"})");
  EXPECT_TRUE(prompt.starts_with("<s>[AVAILABLE_TOOLS][{\"type\": \"function\"")) << prompt;
  EXPECT_TRUE(prompt.ends_with("[/AVAILABLE_TOOLS][INST]SYSTEM\n\nINLINE\n\n" +
                               std::string(kSession) + "[/INST]ANSWER</s>[INST]MORE[/INST]"))
      << prompt;
}

/// Of a history that was generated elsewhere; what was generated here is replayed with its
/// thinking.
TEST(FamilyPrompts, OldThinkingIsKeptOrDroppedAsTheTemplateDoes) {
  const std::string forgetful = forgetful_template();
  const std::string thought = R"({"type":"thinking","thinking":"THOUGHT","signature":"theirs"},)";
  const std::string question = R"(,{"role":"assistant","content":[)" + thought +
                               R"({"type":"text","text":"ANSWER"}]},
                                  {"role":"user","content":"MORE"})";
  const std::string call = R"(,{"role":"assistant","content":[)" + thought +
                           R"({"type":"tool_use","id":"toolu_1","name":"Bash","input":{}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"RESULT"}]})";
  EXPECT_FALSE(family_prompt(forgetful.c_str(), question).contains("THOUGHT"));
  EXPECT_TRUE(family_prompt(kQwenLikeTemplate, question).contains("THOUGHT"));
  EXPECT_TRUE(family_prompt(forgetful.c_str(), call).contains("THOUGHT"));
}

TEST(FamilyPrompts, GlmKeepsItsOrder) {
  const std::string prompt = family_prompt(kGlmLike);
  EXPECT_TRUE(prompt.starts_with("[gMASK]<sop><|system|>\n# Tools{\"type\"")) << prompt;
  EXPECT_TRUE(prompt.ends_with("<|system|>\nSYSTEM\n\nINLINE<|user|>\n" + std::string(kSession) +
                               "<|assistant|>"))
      << prompt;
}

/// As gpt-oss has levels.
TEST(FamilyPrompts, EffortFollowsTheRequest) {
  const auto level = [](const std::string& fields) {
    return prompt_text(R"({"model":"m","max_tokens":9,)" + fields +
                           R"("messages":[{"role":"user","content":"Hi"}]})",
                       Layout::stable_first,
                       "{{ reasoning_effort or 'its own' }}{% for m in messages %}{% endfor %}");
  };
  EXPECT_EQ(level(""), "its own");
  EXPECT_EQ(level(R"("thinking":{"type":"adaptive"},)"), "its own");
  EXPECT_EQ(level(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"medium"},)"),
            "medium");
  EXPECT_EQ(level(R"("output_config":{"effort":"max"},)"), "high");
  EXPECT_EQ(level(R"("thinking":{"type":"disabled"},"output_config":{"effort":"high"},)"), "low");
  const auto budget = [&](int tokens) {
    return level(R"("thinking":{"type":"enabled","budget_tokens":)" + std::to_string(tokens) +
                 "},");
  };
  EXPECT_EQ(budget(4096), "low");
  EXPECT_EQ(budget(16384), "medium");
  EXPECT_EQ(budget(30000), "high");
}

TEST(FamilyPrompts, HarmonyGetsTheInstructionsInTheQuestion) {
  const std::string prompt = family_prompt(kHarmonyLike);
  EXPECT_TRUE(prompt.contains("<|start|>developer<|message|># Instructions\n\nThe tools are "
                              "described first, and the instructions follow.\n# Tools\n"))
      << prompt;
  EXPECT_TRUE(prompt.ends_with("<|start|>user<|message|>SYSTEM\n\nINLINE\n\n" +
                               std::string(kSession) + "<|end|><|start|>assistant"))
      << prompt;
}

} // namespace
} // namespace anyclaude::prompt
