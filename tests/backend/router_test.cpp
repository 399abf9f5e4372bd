#include "backend/router.h"
#include "gateway/fake_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <set>

namespace anyclaude::backend {
namespace {

using namespace anthropic;
using gateway::FakeBackend;

const Error kDead{ErrorKind::overloaded, "Connection refused."};

Caller in_session(std::string key) {
  return {.tenant = "ann", .session_key = std::move(key)};
}

/// What a client has been sent.
struct Heard {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Event> events;

  EventSink sink() {
    return [this](Event event) {
      const std::scoped_lock lock(mutex);
      events.push_back(std::move(event));
      changed.notify_all();
    };
  }
  std::size_t size() {
    const std::scoped_lock lock(mutex);
    return events.size();
  }
  /// The error of the last event, once it has come.
  Error wait_failure() {
    std::unique_lock lock(mutex);
    const auto failed = [&] {
      return !events.empty() && std::holds_alternative<Failed>(events.back());
    };
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), failed));
    return failed() ? std::get<Failed>(events.back()).error : Error{};
  }
};

class RouterTest : public testing::Test {
 protected:
  using Servers = std::vector<std::string>; // their ids

  /// Backends with FakeBackends behind every id; nothing is checked unless the test says so.
  void route(RoutingTable table, const std::map<std::string, Servers>& backends,
             bool cloud = false) {
    std::vector<NamedBackend> named;
    for (const auto& [name, ids] : backends) {
      NamedBackend& backend = named.emplace_back(name);
      for (const std::string& id : ids) {
        fakes_[id] = std::make_shared<FakeBackend>();
        backend.servers.push_back({id, fakes_[id]});
      }
    }
    auto made =
        Router::make({.table = std::move(table), .check_period = std::chrono::milliseconds(0)},
                     std::move(named), cloud);
    ASSERT_TRUE(made) << made.error();
    router_ = std::move(*made);
  }
  void one_backend(const Servers& ids) { route({.otherwise = {{"gpu"}}}, {{"gpu", ids}}); }

  static Request asking(const std::string& model = "m") {
    Request request;
    request.model = model;
    request.messages = {{Role::user, {TextBlock{"hi"}}}};
    return request;
  }

  void kill(const std::string& id) {
    fakes_[id]->set_health({false, "gone"});
    fakes_[id]->on_start = [](const Request&, const EventSink&) {
      return std::expected<void, Error>(std::unexpected(kDead));
    };
  }
  void revive(const std::string& id) {
    fakes_[id]->set_health({true, ""});
    fakes_[id]->on_start = nullptr;
  }

  /// Where a conversation's next request goes.
  std::string place_of(const std::string& key) {
    Heard heard;
    const auto work = router_->start(asking(), in_session(key), heard.sink());
    EXPECT_TRUE(work) << work.error().message;
    for (const auto& [id, fake] : fakes_)
      if (fake->running() > 0)
        return id;
    return "";
  }

  std::map<std::string, std::shared_ptr<FakeBackend>> fakes_;
  std::unique_ptr<Router> router_;
};

TEST_F(RouterTest, AConversationStaysWithOneServer) {
  one_backend({"a", "b", "c"});
  std::set<std::string> used;
  for (int key = 0; key < 40; ++key) {
    const std::string place = place_of(std::to_string(key));
    EXPECT_EQ(place_of(std::to_string(key)), place);
    used.insert(place);
  }
  EXPECT_EQ(used.size(), 3U);
}

TEST_F(RouterTest, WithoutAConversationTheOneWithLeastToDo) {
  one_backend({"a", "b"});
  Heard heard;
  const auto first = router_->start(asking(), {}, heard.sink());
  const auto second = router_->start(asking(), {}, heard.sink());
  EXPECT_EQ(fakes_["a"]->running(), 1U);
  EXPECT_EQ(fakes_["b"]->running(), 1U);
}

TEST_F(RouterTest, OnlyTheConversationsOfADeadServerMoveAndTheyComeBack) {
  one_backend({"a", "b", "c"});
  std::map<std::string, std::string> home;
  for (int key = 0; key < 40; ++key)
    home[std::to_string(key)] = place_of(std::to_string(key));
  kill("b");
  router_->check_health();
  router_->check_health();
  for (const auto& [key, place] : home) {
    if (place == "b")
      EXPECT_NE(place_of(key), "b");
    else
      EXPECT_EQ(place_of(key), place);
  }
  revive("b");
  router_->check_health();
  router_->check_health();
  for (const auto& [key, place] : home)
    EXPECT_EQ(place_of(key), place);
}

TEST_F(RouterTest, OneBadCheckIsNoDeathAndOneGoodCheckNoRecovery) {
  one_backend({"a", "b"});
  router_->check_health();
  const auto is_up = [&] { return router_->servers().front().up; };
  fakes_["a"]->set_health({false, "busy"});
  router_->check_health();
  EXPECT_TRUE(is_up());
  fakes_["a"]->set_health({true, ""});
  router_->check_health();
  fakes_["a"]->set_health({false, "busy"});
  router_->check_health();
  EXPECT_TRUE(is_up()) << "the good check between counts";
  router_->check_health();
  EXPECT_FALSE(is_up());
  fakes_["a"]->set_health({true, ""});
  router_->check_health();
  EXPECT_FALSE(is_up());
  router_->check_health();
  EXPECT_TRUE(is_up());
}

TEST_F(RouterTest, AModelThatHasLoadedIsThereAtOnce) {
  one_backend({"a"});
  fakes_["a"]->set_health({false, "loading"});
  router_->check_health();
  router_->check_health();
  EXPECT_FALSE(router_->servers().front().up);
  fakes_["a"]->set_health({true, ""});
  router_->check_health();
  EXPECT_TRUE(router_->servers().front().up);
}

TEST_F(RouterTest, ARefusedConnectionIsFollowedByTheNextServerAtOnce) {
  one_backend({"a", "b"});
  const std::string home = place_of("k");
  const std::string other = home == "a" ? "b" : "a";
  kill(home);
  EXPECT_EQ(place_of("k"), other);
  revive(home); // but nobody has checked yet
  EXPECT_EQ(place_of("k"), other) << "what refused a connection is down without a check";
}

TEST_F(RouterTest, AServerThatDiesBeforeItsAnswerBeginsIsReplaced) {
  one_backend({"a", "b"});
  const std::string home = place_of("k");
  const std::string other = home == "a" ? "b" : "a";
  const std::size_t nth = 1; // place_of() was the first
  Heard heard;
  const auto work = router_->start(asking(), in_session("k"), heard.sink());
  ASSERT_TRUE(work);
  fakes_[home]->say(nth, {PrefillProgress{5, 10}, Failed{kDead}});
  ASSERT_TRUE(fakes_[other]->wait_started(0));
  ASSERT_TRUE(fakes_[home]->wait_gone(nth));
  fakes_[other]->say(0, {Started{}, TextDelta{"Hello"}, Finished{}});
  ASSERT_EQ(heard.size(), 4U);
  EXPECT_EQ(std::get<TextDelta>(heard.events[2]).text, "Hello");
}

TEST_F(RouterTest, ASinkThatIsDroppedIsADeadServerToo) {
  one_backend({"a", "b"});
  const std::string home = place_of("k");
  const std::string other = home == "a" ? "b" : "a";
  Heard heard;
  const auto work = router_->start(asking(), in_session("k"), heard.sink());
  fakes_[home]->forget(1);
  EXPECT_TRUE(fakes_[other]->wait_started(0));
}

TEST_F(RouterTest, AnAnswerThatHasBegunIsNotBegunAgain) {
  one_backend({"a", "b"});
  const std::string home = place_of("k");
  Heard heard;
  const auto work = router_->start(asking(), in_session("k"), heard.sink());
  fakes_[home]->say(1, {Started{}, TextDelta{"Hel"}, Failed{kDead}});
  EXPECT_EQ(heard.wait_failure().message, kDead.message);
  EXPECT_EQ(fakes_[home == "a" ? "b" : "a"]->running(), 0U);
  EXPECT_NE(place_of("k"), home) << "the next request goes elsewhere";
}

TEST_F(RouterTest, WhatIsWrongWithARequestIsWrongEverywhere) {
  one_backend({"a", "b"});
  for (const auto& [id, fake] : fakes_)
    fake->on_start = [](const Request&, const EventSink&) {
      return std::expected<void, Error>(
          std::unexpected(Error{ErrorKind::invalid_request, "prompt is too long"}));
    };
  Heard heard;
  const auto work = router_->start(asking(), in_session("k"), heard.sink());
  ASSERT_FALSE(work);
  EXPECT_EQ(work.error().message, "prompt is too long") << "the second was not asked";
  EXPECT_TRUE(router_->servers().front().up);
}

TEST_F(RouterTest, WhereNoneAnswersTheErrorSaysWhatWasTried) {
  route({.otherwise = {{"gpu"}, {"laptop"}}}, {{"gpu", {"http://gpu"}}, {"laptop", {"laptop"}}});
  kill("http://gpu");
  kill("laptop");
  Heard heard;
  const auto refused = router_->start(asking(), in_session("k"), heard.sink());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::overloaded);
  EXPECT_EQ(refused.error().message, "Connection refused. Then laptop: Connection refused.");
  EXPECT_EQ(heard.size(), 0U);
}

TEST_F(RouterTest, TheLastOneToFailEndsARunningAnswer) {
  one_backend({"a", "b"});
  const std::string home = place_of("k");
  const std::string other = home == "a" ? "b" : "a";
  Heard heard;
  const auto work = router_->start(asking(), in_session("k"), heard.sink());
  kill(other);
  fakes_[home]->say(1, {Failed{{ErrorKind::api, "It crashed."}}});
  EXPECT_EQ(heard.wait_failure().message,
            "It crashed. Then gpu (" + other + "): Connection refused.");
}

TEST_F(RouterTest, NothingIsSaidAfterTheClientHasLeft) {
  one_backend({"a", "b"});
  Heard heard;
  auto work = router_->start(asking(), in_session("k"), heard.sink());
  const std::string home = fakes_["a"]->running() > 0 ? "a" : "b";
  work->reset();
  EXPECT_TRUE(fakes_[home]->wait_gone(0));
  fakes_[home]->say(0, {Started{}});
  EXPECT_EQ(heard.size(), 0U);
  for (const ServerStatus& replica : router_->servers())
    EXPECT_EQ(replica.running, 0) << replica.id;
}

TEST_F(RouterTest, TheFallbackIsAskedWithItsOwnModel) {
  route({.rules = {{.model = "*opus*", .targets = {{"gpu", "qwen3-235b"}, {"laptop"}}}},
         .otherwise = {{"laptop", "qwen3-8b"}}},
        {{"gpu", {"gpu"}}, {"laptop", {"laptop"}}});
  Heard heard;
  const auto opus = router_->start(asking("claude-opus-4-1"), {}, heard.sink());
  EXPECT_EQ(fakes_["gpu"]->caller(0).model, "qwen3-235b");
  const auto sonnet = router_->start(asking("claude-sonnet-4-5"), {}, heard.sink());
  EXPECT_EQ(fakes_["laptop"]->caller(0).model, "qwen3-8b");
  kill("gpu");
  const auto fallback = router_->start(asking("claude-opus-4-1"), {}, heard.sink());
  EXPECT_EQ(fakes_["laptop"]->caller(1).model, "") << "its own, whatever the client named";
}

TEST_F(RouterTest, ARuleSendsToTheRealClaude) {
  route({.rules = {{.model = "*opus*", .targets = {{"claude"}}}}, .otherwise = {{"gpu"}}},
        {{"gpu", {"gpu"}}}, true);
  const auto opus = router_->passes_through(asking("claude-opus-4-1"), {});
  ASSERT_TRUE(opus);
  EXPECT_EQ(opus->model, "");
  EXPECT_FALSE(router_->passes_through(asking("claude-haiku-4-5"), {}));
}

TEST_F(RouterTest, TheRealClaudeStandsInForWhatIsDown) {
  route({.otherwise = {{"gpu"}, {"claude", "claude-sonnet-4-5"}}, .allow_cloud_fallback = true},
        {{"gpu", {"gpu"}}}, true);
  EXPECT_FALSE(router_->passes_through(asking(), {}));
  kill("gpu");
  Heard heard;
  EXPECT_FALSE(router_->start(asking(), {}, heard.sink()));
  const auto passed = router_->passes_through(asking(), {});
  ASSERT_TRUE(passed) << "the failed request itself is passed on";
  EXPECT_EQ(passed->model, "claude-sonnet-4-5");
  revive("gpu");
  router_->check_health();
  EXPECT_FALSE(router_->passes_through(asking(), {})) << "local first";
}

TEST_F(RouterTest, RefusesWhatCannotWork) {
  const auto error = [](RoutingTable table, std::vector<NamedBackend> backends) {
    auto made = Router::make({.table = std::move(table)}, std::move(backends), false);
    return made ? std::string() : made.error();
  };
  const auto fake = std::make_shared<FakeBackend>();
  EXPECT_THAT(error({.otherwise = {{"gpu"}}}, {{"gpu", {}}}), testing::HasSubstr("has no server"));
  EXPECT_THAT(error({.otherwise = {{"gpu"}}}, {{"gpu", {{"a", fake}}}, {"gpu", {{"b", fake}}}}),
              testing::HasSubstr("two backends"));
  EXPECT_THAT(error({.otherwise = {{"claude"}}}, {{"claude", {{"a", fake}}}}),
              testing::HasSubstr("the real Claude's name"));
  EXPECT_THAT(error({.otherwise = {{"claude"}}}, {{"gpu", {{"a", fake}}}}),
              testing::HasSubstr("names the backend \"claude\""));
}

} // namespace
} // namespace anyclaude::backend
