// Calls of random schemas on random weights at temperature 1: without the grammar nothing that such
// a model says is ever a call. ANYCLAUDE_SCHEMAS sets how many schemas (default 70).
#include "answer/answer_rules.h"
#include "answer/family_samples.h"
#include "answer/schema_check.h"
#include "backend/call_constraint.h"
#include "engine/engine_client.h"
#include "rounds.h"

#include <gtest/gtest.h>

#include <random>

namespace anyclaude::backend {
namespace {

using answer::Form;

/// Schemas of the subset that docs/tools.md names, small enough to end by chance.
class Schemas {
 public:
  explicit Schemas(std::uint32_t seed) : random_(seed) {}

  Json object(int depth = 0) {
    Json properties = Json::object();
    Json required = Json::array();
    for (std::size_t i = 0, count = 1 + below(4); i < count; ++i) {
      const auto name = std::string(kNames[below(6)]) + std::to_string(i);
      properties[name] = any(depth + 1);
      if (below(2) == 0)
        required.push_back(name);
    }
    Json schema = {{"type", "object"}, {"properties", properties}};
    if (below(3) > 0)
      schema["required"] = required;
    if (below(2) == 0)
      schema["additionalProperties"] = false;
    if (depth == 0)
      schema["$defs"] = {{"thing", {{"type", "array"}, {"prefixItems", {string(), string()}}}}};
    return schema;
  }

  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  Json string() {
    Json schema = {{"type", "string"}, {"maxLength", 1 + below(20)}};
    if (below(3) == 0)
      schema["minLength"] = 1;
    return schema;
  }

  Json any(int depth) {
    switch (below(depth > 3 ? 7 : 16)) {
    case 0:
    case 1:
      return string();
    case 2:
      return {{"type", "integer"}, {"minimum", below(2)}};
    case 3:
      return {{"type", "number"}};
    case 4:
      return {{"type", "boolean"}};
    case 5:
      return {{"enum", {"red", "light \"blue\"", 3, nullptr, "grün"}}};
    case 6:
      return {{"type", {"null", "integer"}}};
    case 7:
      return object(depth);
    case 8:
      return {{"type", "array"},
              {"items", any(depth + 1)},
              {"minItems", below(2)},
              {"maxItems", 1 + below(3)}};
    case 9:
      return {{"anyOf", {string(), {{"type", "boolean"}}, object(depth + 1)}}};
    case 10:
      return {{"allOf", {object(depth + 1), {{"description", "the other part"}}}}};
    case 11:
      return {{"type", "array"}, {"prefixItems", {any(depth + 1), {{"type", "boolean"}}}}};
    case 12:
      return {{"const", {{"a", 1.5}, {"b", {true, "x \"y\""}}, {"c", nullptr}}}};
    case 13:
      return {{"type", "object"}, {"additionalProperties", string()}};
    case 14:
      return {{"type", "array"}, {"items", string()}, {"maxItems", 0}};
    default:
      return {{"$ref", "#/$defs/thing"}};
    }
  }

  static constexpr const char* kNames[] = {"path", "count", "größe", "a_b", "x-y", "k"};
  std::mt19937 random_;
};

struct Outcome {
  int whole = 0; // calls that ended by themselves
  int cut = 0;   // by max_tokens
};

/// Asks for one call of a tool with this schema, and looks at what comes.
void ask_for_call(engine::Engine& engine, const Form& form, const Json& schema, std::uint32_t seed,
                  Outcome& outcome) {
  answer::Format format;
  format.dialect = form.dialect;
  format.show_thinking = false;
  std::vector<answer::ToolSpec> tools{{"Make", schema}};
  format.tools = std::make_shared<const answer::ToolSet>(tools);
  answer::Demand demand;
  demand.one_of = tools;
  demand.single_call = true;
  engine::Job job = engine::job_for(engine::random_words(seed, 12), 500);
  job.sampling.temperature = 1;
  job.sampling.seed = seed;
  job.sampling.has_seed = true;
  job.sampling.constraint = make_constraint(format, demand, {});
  const engine::Heard heard = engine::ask(engine, std::move(job));
  ASSERT_EQ(heard.failure, "");
  answer::AnswerParser parser(format);
  parser.push(heard.text());
  parser.finish(true);
  const auto inputs = parser.take_inputs();
  const std::string what =
      form.name + " seed " + std::to_string(seed) + "\n" + schema.dump() + "\n" + heard.text();
  if (heard.ended->reason == engine::EndReason::max_tokens) {
    ++outcome.cut;
    return;
  }
  ASSERT_EQ(inputs.size(), 1U) << what;
  const Json value = Json::parse(inputs[0].json, nullptr, false);
  ASSERT_FALSE(value.is_discarded()) << what;
  const auto wrong = answer::schema_violation(value, schema);
  ASSERT_FALSE(wrong.has_value()) << *wrong << "\n" << what;
  ++outcome.whole;
}

TEST(Constrained, CallsOfRandomSchemasOnRandomWeights) {
  const auto count = static_cast<std::uint32_t>(rounds("ANYCLAUDE_SCHEMAS", 70));
  engine::Engine engine(engine::small_engine(engine::random_model_file()));
  ASSERT_EQ(engine.wait_until_loaded().error, "");
  const auto forms = answer::all_forms();
  Outcome outcome;
  for (std::uint32_t seed = 0; seed < count && !HasFailure(); ++seed)
    ask_for_call(engine, forms[seed % forms.size()], Schemas(seed).object(), seed, outcome);
  RecordProperty("whole", outcome.whole);
  RecordProperty("cut", outcome.cut);
  std::printf("%d calls are whole and valid, %d were cut by max_tokens\n", outcome.whole,
              outcome.cut);
  // Or too little was judged. Which are cut depends on the processor too: 55 to 58 of 70 are whole.
  EXPECT_GT(outcome.whole, static_cast<int>(count) * 2 / 3);
}

} // namespace
} // namespace anyclaude::backend
