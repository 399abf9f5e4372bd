// The Messages API answered by our own engine: events in order, usage that adds up, reuse that
// shows in it, and refusals that cost nothing.
#include "backend/embedded.h"
#include "engine/test_models.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

namespace anyclaude::backend {
namespace {

constexpr int kContext = 4096;

constexpr std::string_view kScripts = R"({"scripts": [
  {"when": {"tool_results": 0, "tool": "Bash", "marker": "FILES"}, "say": "I look at them.",
   "calls": [{"name": "Bash", "arguments": {"command": "ls -l", "timeout": 5}}]},
  {"when": {"tool_results": 1, "marker": "FILES"}, "say": "There are two files."},
  {"when": {"tool_results": 0, "tool": "Bash", "marker": "TWICE"}, "say": "Both at once.",
   "calls": [{"name": "Bash", "arguments": {"command": "ls"}},
             {"name": "Bash", "arguments": {"command": "cat counted.txt"}}]},
  {"when": {"marker": "THINK"}, "think": "It wants a thought.", "say": "Here it is."},
  {"say": "Good morning to everybody in this room."}]})";

engine::EngineOptions options_for(const std::filesystem::path& model) {
  engine::EngineOptions options;
  options.model = model;
  options.context_tokens = kContext;
  options.batch_tokens = 128;
  options.threads = 1;
  return options;
}

/// A text of some hundred tokens that is different for every seed.
std::string long_text(std::uint32_t seed, int words) {
  std::mt19937 random(seed);
  std::string text;
  for (int i = 0; i < words; ++i)
    text += "word" + std::to_string(random() % 1000) + (i % 12 == 11 ? ".\n" : " ");
  return text;
}

Json message(const char* role, Json content) {
  return {{"role", role}, {"content", std::move(content)}};
}

anthropic::Request request_of(const Json& members) {
  Json body = {
      {"model", "m"}, {"max_tokens", 64}, {"messages", Json::array({message("user", "hello")})}};
  body.update(members);
  auto request = anthropic::parse_request(body.dump(), anthropic::RequestKind::messages);
  EXPECT_TRUE(request) << request.error().message;
  return std::move(*request);
}

/// A conversation of an agent: a long system prompt, then the messages.
anthropic::Request agent_request(Json messages, bool caching = true, int max_tokens = 64) {
  Json system = {{"type", "text"}, {"text", long_text(1, 150)}};
  if (caching)
    system["cache_control"] = {{"type", "ephemeral"}};
  return request_of({{"system", Json::array({system})},
                     {"messages", std::move(messages)},
                     {"max_tokens", max_tokens},
                     {"temperature", 0}});
}

/// Gathers the events of one answer.
class Answer {
 public:
  EventSink sink() {
    return [state = state_](const anthropic::Event& event) {
      const std::scoped_lock lock(state->mutex);
      state->events.push_back(event);
      state->over = std::holds_alternative<anthropic::Finished>(event) ||
                    std::holds_alternative<anthropic::Failed>(event);
      state->changed.notify_all();
    };
  }
  void wait() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->over; });
  }
  void wait_for_first() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return !state_->events.empty(); });
  }
  std::vector<anthropic::Event> events() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->events;
  }

  /// One letter for each event: (p)rogress, (s)tarted, (t)ext, t(h)inking, signatur(e), tool (u)se,
  /// (i)nput, ser(v)er tool, (F)inished, (X) failed. Repeated letters are one.
  std::string order() const {
    std::string order;
    for (const auto& event : events())
      if (const char kind = "pstheuivFX"[event.index()]; order.empty() || order.back() != kind)
        order += kind;
    return order;
  }
  template <class E>
  std::optional<E> last() const {
    std::optional<E> found;
    for (const auto& event : events())
      if (const auto* e = std::get_if<E>(&event))
        found = *e;
    return found;
  }
  std::string text() const {
    std::string text;
    for (const auto& event : events())
      if (const auto* delta = std::get_if<anthropic::TextDelta>(&event))
        text += delta->text;
    return text;
  }
  std::string input() const {
    std::string json;
    for (const auto& event : events())
      if (const auto* delta = std::get_if<anthropic::ToolInputDelta>(&event))
        json += delta->partial_json;
    return json;
  }
  anthropic::Usage usage() const {
    return last<anthropic::Finished>().value_or(anthropic::Finished{}).usage;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<anthropic::Event> events;
    bool over = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

std::int64_t prompt_tokens(const anthropic::Usage& usage) {
  return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
}

/// A backend whose model answers with random tokens, and one that follows the script above.
class EmbeddedTest : public testing::Test {
 protected:
  static Embedded& random() { return *random_backend; }
  static Embedded& scripted() { return *scripted_backend; }

  static Answer answer(Embedded& backend, const anthropic::Request& request,
                       const char* tenant = "anna") {
    Answer answer;
    const auto generation = backend.start(request, {tenant}, answer.sink());
    EXPECT_TRUE(generation) << generation.error().message;
    if (generation)
      answer.wait();
    return answer;
  }

  static void SetUpTestSuite() {
    demo::ModelOptions options;
    options.script = *demo::parse_script(kScripts);
    random_backend = std::make_unique<Embedded>(options_for(engine::random_model_file()));
    scripted_backend =
        std::make_unique<Embedded>(options_for(engine::write_model(options, "scripted.gguf")));
    ASSERT_EQ(random_backend->engine().wait_until_loaded().error, "");
    ASSERT_EQ(scripted_backend->engine().wait_until_loaded().error, "");
  }
  static void TearDownTestSuite() {
    random_backend.reset();
    scripted_backend.reset();
  }

 private:
  static inline std::unique_ptr<Embedded> random_backend;
  static inline std::unique_ptr<Embedded> scripted_backend;
};

TEST_F(EmbeddedTest, IsReadyAndNamesItsModel) {
  EXPECT_TRUE(random().health().ready);
  EXPECT_EQ(random().health().detail, "");
  const auto models = random().models();
  ASSERT_EQ(models.size(), 1U);
  EXPECT_EQ(models[0].id, "random");
  EXPECT_TRUE(models[0].display_name.starts_with("random (qwen3")) << models[0].display_name;
  EXPECT_EQ(models[0].context_tokens, kContext);
  EXPECT_GT(models[0].created_unix, 1'700'000'000);
}

TEST_F(EmbeddedTest, TellsProgressThenStartThenTextThenTheEnd) {
  const Answer said = answer(scripted(), agent_request(Json::array({message("user", "Hello.")})));
  EXPECT_EQ(said.order(), "pstF");
  EXPECT_EQ(said.text(), "Good morning to everybody in this room.");
  const auto progress = said.last<anthropic::PrefillProgress>();
  EXPECT_EQ(progress->done, progress->total);
  EXPECT_EQ(progress->total, prompt_tokens(said.usage()));
  const auto started = said.last<anthropic::Started>();
  EXPECT_EQ(prompt_tokens(started->usage), prompt_tokens(said.usage()));
  EXPECT_EQ(started->usage.output_tokens, 0);
  EXPECT_EQ(said.last<anthropic::Finished>()->reason, anthropic::StopReason::end_turn);
}

TEST_F(EmbeddedTest, CountsTheTokensThatThePromptHas) {
  for (const bool caching : {false, true}) {
    const auto request =
        agent_request(Json::array({message("user", long_text(2, 40))}), caching, 4);
    const auto counted = random().count_tokens(request);
    ASSERT_TRUE(counted);
    EXPECT_EQ(prompt_tokens(answer(random(), request).usage()), *counted);
  }
}

TEST_F(EmbeddedTest, TellsAClientThatMarksBreakpointsWhatItWrote) {
  const auto request = agent_request(Json::array({message("user", long_text(3, 40))}), true, 4);
  const int tokens = *random().count_tokens(request);
  const auto cold = answer(random(), request, "marks").usage();
  EXPECT_EQ(cold.cache_read_input_tokens, 0);
  EXPECT_EQ(cold.cache_creation_input_tokens, tokens - 1);
  EXPECT_EQ(cold.input_tokens, 1);
  const auto warm = answer(random(), request, "marks").usage();
  EXPECT_EQ(warm.cache_read_input_tokens, tokens - 1); // the last token is always computed
  EXPECT_EQ(warm.cache_creation_input_tokens, 0);
  EXPECT_EQ(warm.input_tokens, 1);
}

TEST_F(EmbeddedTest, TellsAClientWithoutBreakpointsOfItsInputOnly) {
  const auto request = agent_request(Json::array({message("user", long_text(4, 40))}), false, 4);
  const int tokens = *random().count_tokens(request);
  const auto cold = answer(random(), request, "plain").usage();
  EXPECT_EQ(cold.input_tokens, tokens);
  EXPECT_EQ(cold.cache_creation_input_tokens, 0);
  EXPECT_EQ(cold.cache_read_input_tokens, 0);
  const auto warm = answer(random(), request, "plain").usage();
  EXPECT_EQ(warm.input_tokens, 1);
  EXPECT_EQ(warm.cache_read_input_tokens, tokens - 1);
}

TEST_F(EmbeddedTest, AFollowUpReusesWhatItsConversationHadComputed) {
  Json messages = Json::array({message("user", "Good morning.")});
  std::int64_t computed = 0; // prompt and answer so far
  for (int turn = 0; turn < 4; ++turn) {
    const Answer said = answer(scripted(), agent_request(messages), "follows");
    EXPECT_EQ(said.usage().cache_read_input_tokens, std::max<std::int64_t>(computed - 1, 0))
        << turn;
    computed = prompt_tokens(said.usage()) + said.usage().output_tokens;
    messages.push_back(message("assistant", said.text()));
    messages.push_back(message("user", "And question " + std::to_string(turn) + "?"));
  }
}

/// Tokens drawn at random are not those that their text is tokenized as, and some of their bytes
/// are no text at all: the next prompt holds the tokens themselves.
TEST_F(EmbeddedTest, AnAnswerIsReplayedFromItsSampledTokens) {
  Json messages = Json::array({message("user", "Say anything.")});
  std::int64_t computed = 1; // prompt and answer so far; an answer's last token is only sampled
  for (int turn = 0; turn < 6; ++turn) {
    const Answer said = answer(random(),
                               request_of({{"system", long_text(3, 60)},
                                           {"messages", messages},
                                           {"max_tokens", 24},
                                           {"seed", turn},
                                           {"temperature", 1}}),
                               "replays");
    EXPECT_EQ(said.usage().cache_read_input_tokens, computed - 1) << turn;
    computed = prompt_tokens(said.usage()) + said.usage().output_tokens;
    messages.push_back(message("assistant", said.text()));
    messages.push_back(message("user", "And then?"));
  }
}

TEST_F(EmbeddedTest, ANewSessionReusesTheSystemPrompt) {
  const auto first = agent_request(Json::array({message("user", "One question.")}), true, 4);
  const auto second = agent_request(Json::array({message("user", "Another one.")}), true, 4);
  answer(random(), first, "sessions");
  const auto usage = answer(random(), second, "sessions").usage();
  EXPECT_GE(usage.cache_read_input_tokens, prompt_tokens(usage) * 95 / 100);
}

TEST_F(EmbeddedTest, TenantsShareNothing) {
  const auto request = agent_request(Json::array({message("user", "The same for all.")}), true, 4);
  answer(random(), request, "first tenant");
  EXPECT_EQ(answer(random(), request, "second tenant").usage().cache_read_input_tokens, 0);
}

const Json kBash = {{"name", "Bash"},
                    {"input_schema",
                     {{"type", "object"},
                      {"required", {"command"}},
                      {"properties",
                       {{"command", {{"type", "string"}, {"maxLength", 12}}},
                        {"timeout", {{"type", "integer"}}}}}}}};

TEST_F(EmbeddedTest, ADemandedCallComesFromAnyModel) {
  for (const char* type : {"any", "tool"}) {
    Json choice = {{"type", type}, {"disable_parallel_tool_use", true}};
    if (std::string_view(type) == "tool")
      choice["name"] = "Bash";
    const auto request = request_of({{"tools", Json::array({kBash})},
                                     {"tool_choice", choice},
                                     {"temperature", 1},
                                     {"seed", 7},
                                     {"max_tokens", 400}});
    const Answer said = answer(random(), request);
    EXPECT_EQ(said.order(), "psuiF") << said.text();
    EXPECT_EQ(said.last<anthropic::ToolUseStart>()->name, "Bash");
    EXPECT_TRUE(Json::parse(said.input()).contains("command")) << said.input();
    EXPECT_EQ(said.last<anthropic::Finished>()->reason, anthropic::StopReason::tool_use);
  }
}

TEST_F(EmbeddedTest, StructuredOutputIsJsonOfItsSchema) {
  const Json schema = {
      {"type", "object"},
      {"required", {"title", "ok"}},
      {"additionalProperties", false},
      {"properties",
       {{"title", {{"type", "string"}, {"maxLength", 20}}}, {"ok", {{"type", "boolean"}}}}}};
  const auto request =
      request_of({{"output_config", {{"format", {{"type", "json_schema"}, {"schema", schema}}}}},
                  {"temperature", 1},
                  {"seed", 3},
                  {"max_tokens", 300}});
  const Answer said = answer(random(), request);
  EXPECT_EQ(said.order(), "pstF");
  const Json value = Json::parse(said.text());
  EXPECT_TRUE(value["title"].is_string() && value["ok"].is_boolean()) << said.text();
  EXPECT_EQ(value.size(), 2U);
  EXPECT_EQ(said.last<anthropic::Finished>()->reason, anthropic::StopReason::end_turn);
}

TEST_F(EmbeddedTest, ADemandedServerToolIsUnavailable) {
  const Json tool = {{"type", "web_search_20250305"}, {"name", "web_search"}};
  const auto request = request_of({{"tools", Json::array({tool})},
                                   {"tool_choice", {{"type", "tool"}, {"name", "web_search"}}}});
  const Answer said = answer(random(), request);
  EXPECT_EQ(said.order(), "svtF");
  EXPECT_EQ(said.last<anthropic::ServerToolUnavailable>()->name, "web_search");
  EXPECT_EQ(said.last<anthropic::Finished>()->reason, anthropic::StopReason::end_turn);
  // Claude Code's own search, which only offers it.
  Answer searched;
  const auto offers = request_of({{"tools", Json::array({tool})}, {"max_tokens", 2}});
  ASSERT_TRUE(random().start(offers, {.tenant = "anna", .session = "s"}, searched.sink()));
  EXPECT_EQ(searched.order(), "svtF");
  // Only offered, it is no reason to refuse: the model is told that it is not there.
  const auto plain = request_of({{"max_tokens", 2}});
  EXPECT_GT(prompt_tokens(answer(random(), offers).usage()),
            prompt_tokens(answer(random(), plain).usage()) + 10);
}

TEST_F(EmbeddedTest, ThinkingIsSentWhenItIsAskedForAndSigned) {
  const auto ask = [](const char* type) {
    return answer(scripted(), request_of({{"messages", Json::array({message("user", "THINK")})},
                                          {"thinking", {{"type", type}}}}));
  };
  const Answer thought = ask("adaptive");
  EXPECT_EQ(thought.order(), "pshetF");
  EXPECT_TRUE(thought.last<anthropic::ThinkingSignature>()->signature.starts_with("anyclaude2."));
  const Answer plain = ask("disabled");
  EXPECT_EQ(plain.order(), "pstF");
  EXPECT_EQ(plain.text(), "Here it is.");
}

TEST_F(EmbeddedTest, AToolCallIsAnEventAndTheReasonToStop) {
  const Json tool = {
      {"name", "Bash"},
      {"description", "Runs a command."},
      {"input_schema",
       {{"type", "object"},
        {"properties", {{"command", {{"type", "string"}}}, {"timeout", {{"type", "integer"}}}}}}}};
  Json messages = Json::array({message("user", "Count the FILES.")});
  const auto ask = [&] {
    return answer(scripted(), request_of({{"messages", messages}, {"tools", Json::array({tool})}}));
  };
  const Answer call = ask();
  EXPECT_EQ(call.order(), "pstuiF");
  EXPECT_EQ(call.text(), "I look at them.");
  const auto use = call.last<anthropic::ToolUseStart>();
  EXPECT_EQ(use->name, "Bash");
  EXPECT_TRUE(use->id.starts_with("toolu_")) << use->id;
  const Json input = Json::parse(call.input());
  EXPECT_EQ(input, (Json{{"command", "ls -l"}, {"timeout", 5}}));
  EXPECT_EQ(call.last<anthropic::Finished>()->reason, anthropic::StopReason::tool_use);

  messages.push_back(message(
      "assistant",
      Json::array({{{"type", "text"}, {"text", call.text()}},
                   {{"type", "tool_use"}, {"id", use->id}, {"name", "Bash"}, {"input", input}}})));
  messages.push_back(message(
      "user",
      Json::array({{{"type", "tool_result"}, {"tool_use_id", use->id}, {"content", "a b"}}})));
  const Answer end = ask();
  EXPECT_EQ(end.text(), "There are two files.");
  EXPECT_EQ(end.last<anthropic::Finished>()->reason, anthropic::StopReason::end_turn);
  EXPECT_GE(end.usage().cache_read_input_tokens,
            (prompt_tokens(call.usage()) + call.usage().output_tokens) * 98 / 100);
}

/// One token ends the first call and begins the second: the grammar of the first must let it pass.
TEST_F(EmbeddedTest, ATokenMayEndACallAndBeginTheNext) {
  const Json tool = {{"name", "Bash"},
                     {"input_schema",
                      {{"type", "object"},
                       {"required", {"command"}},
                       {"properties", {{"command", {{"type", "string"}}}}}}}};
  const Answer said =
      answer(scripted(), request_of({{"messages", Json::array({message("user", "TWICE, please")})},
                                     {"tools", Json::array({tool})},
                                     {"max_tokens", 400}}));
  EXPECT_EQ(said.order(), "pstuiuiF");
  EXPECT_EQ(said.input(), R"({"command":"ls"}{"command":"cat counted.txt"})");
}

TEST_F(EmbeddedTest, ThinkingIsToldApartFromText) {
  const Answer said = answer(
      scripted(), request_of({{"messages", Json::array({message("user", "THINK, please")})},
                              {"max_tokens", 2000},
                              {"thinking", {{"type", "enabled"}, {"budget_tokens", 1024}}}}));
  EXPECT_EQ(said.order(), "pshetF");
  EXPECT_EQ(said.text(), "Here it is.");
}

TEST_F(EmbeddedTest, SaysWhyAnAnswerEnded) {
  using anthropic::StopReason;
  const auto ask = [](const Json& members) {
    return *answer(scripted(), request_of(members)).last<anthropic::Finished>();
  };
  EXPECT_EQ(ask({{"max_tokens", 1}}).reason, StopReason::max_tokens);
  const auto stopped = ask({{"stop_sequences", {"everybody in"}}});
  EXPECT_EQ(stopped.reason, StopReason::stop_sequence);
  EXPECT_EQ(stopped.stop_sequence, "everybody in");
}

TEST_F(EmbeddedTest, RefusesAPromptThatIsTooLong) {
  const auto request =
      request_of({{"messages", Json::array({message("user", long_text(5, 3000))})}});
  const int tokens = *random().count_tokens(request); // counting works all the same
  ASSERT_GT(tokens, kContext);
  Answer said;
  const auto refused = random().start(request, {"anna"}, said.sink());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, anthropic::ErrorKind::invalid_request);
  EXPECT_EQ(refused.error().message,
            "prompt is too long: " + std::to_string(tokens) + " tokens > 4095 maximum");
  EXPECT_TRUE(said.events().empty());
}

TEST_F(EmbeddedTest, ALongAnswerEndsWhereTheContextIsFull) {
  Json messages = Json::array({message("user", "")});
  anthropic::Request request;
  int tokens = 0;
  for (int words = 800; tokens < kContext - 60; words += 10) { // a little below the limit
    messages[0]["content"] = long_text(6, words);
    request = request_of({{"messages", messages}, {"max_tokens", 1000}, {"temperature", 0}});
    tokens = *random().count_tokens(request);
  }
  ASSERT_LT(tokens, kContext);
  const Answer said = answer(random(), request);
  EXPECT_EQ(said.last<anthropic::Finished>()->reason,
            anthropic::StopReason::model_context_window_exceeded);
  EXPECT_EQ(said.usage().output_tokens, kContext - tokens);
}

TEST_F(EmbeddedTest, EndingTheGenerationCancelsTheWork) {
  Answer said;
  auto generation =
      random().start(request_of({{"messages", Json::array({message("user", long_text(7, 1000))})},
                                 {"max_tokens", 500}}),
                     {"leaves"}, said.sink());
  ASSERT_TRUE(generation);
  said.wait_for_first();
  generation->reset();
  const std::size_t events = said.events().size();
  // The engine's figures say when the job is gone; it would else run to its 500th token.
  for (auto stats = random().engine().stats(); stats.running + stats.queued > 0;
       stats = random().engine().stats())
    std::this_thread::yield();
  EXPECT_EQ(said.events().size(), events);
  EXPECT_EQ(said.order().find('F'), std::string::npos);
}

// --- before and without a model ---

TEST(EmbeddedHealth, SaysThatTheModelIsLoading) {
  const auto fifo = engine::model_folder() / "endless.gguf"; // gives nothing until somebody writes
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Embedded backend(options_for(fifo));
  const std::string expected = "the model endless is loading (0%); try again soon";
  EXPECT_FALSE(backend.health().ready);
  EXPECT_EQ(backend.health().detail, expected);
  EXPECT_EQ(backend.models().at(0).id, "endless");
  const auto refused =
      backend.start(request_of(Json::object()), {"anna"}, [](const anthropic::Event&) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, anthropic::ErrorKind::overloaded);
  EXPECT_EQ(refused.error().message, expected);
  EXPECT_EQ(backend.count_tokens(request_of(Json::object())).error().message, expected);
  // Lets the loading end, so that the backend can.
  std::fstream file(fifo, std::ios::in | std::ios::out | std::ios::binary);
  file << std::string(4096, 'x') << std::flush;
  backend.engine().wait_until_loaded();
}

TEST(EmbeddedHealth, SaysWhyTheModelCouldNotBeLoaded) {
  Embedded backend(options_for("/nowhere/model.gguf"));
  const std::string error = "cannot open the model /nowhere/model.gguf: No such file or directory";
  backend.engine().wait_until_loaded();
  EXPECT_FALSE(backend.health().ready);
  EXPECT_EQ(backend.health().detail, error);
  const auto refused =
      backend.start(request_of(Json::object()), {"anna"}, [](const anthropic::Event&) {});
  EXPECT_EQ(refused.error().message, error);
}

} // namespace
} // namespace anyclaude::backend
