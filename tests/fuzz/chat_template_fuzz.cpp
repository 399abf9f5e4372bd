// Any text as the chat template that a model's file brings: it is refused, or renders within its
// limits, and the same each time.
#include "fuzz/fuzzing.h"
#include "prompt/chat_template.h"

#include <nlohmann/json.hpp>

namespace {

using namespace anyclaude;
using fuzz::require;

const Json kTools = Json::parse(R"([{"type":"function","function":{"name":"Bash",
  "description":"runs a command","parameters":{"type":"object","properties":
  {"command":{"type":"string"}},"required":["command"]}}}])");

const Json kConversation = Json::parse(R"([
  {"role":"system","content":"Be brief."},
  {"role":"user","content":"What is here?"},
  {"role":"assistant","content":"","tool_calls":[{"id":"call_1","type":"function",
    "function":{"name":"Bash","arguments":{"command":"ls"}}}]},
  {"role":"tool","name":"Bash","tool_call_id":"call_1","content":"a b c"},
  {"role":"assistant","content":"Three files."},
  {"role":"user","content":"Thanks"}])");

constexpr prompt::TemplateLimits kLimits{.steps = 20'000, .bytes = 4'000'000};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string source(fuzz::Input(data, size).rest());
  const auto parsed = prompt::ChatTemplate::parse(source, "<s>", "</s>", kLimits);
  if (!parsed) {
    require(!parsed.error().empty());
    return 0;
  }
  prompt::TemplateInput input{.messages = kConversation, .tools = kTools};
  const auto first = parsed->render(input);
  const bool tells_time = source.contains("strftime_now");
  require(tells_time || first == parsed->render(input));
  if (first)
    require(first->size() <= 3 * kLimits.bytes);
  input.tools = Json::array();
  input.enable_thinking = true;
  (void)parsed->render(input);
  return 0;
}
