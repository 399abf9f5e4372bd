#include "launch/control_client.h"
#include "launch/control_server.h"
#include "launch/scratch_home.h"
#include "launch/unix_socket.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <future>
#include <mutex>

namespace anyclaude::launch {
namespace {

using namespace std::chrono_literals;

/// A control server in this process, with a status that tests can change.
class Control : public testing::Test {
 protected:
  void serve(bool ends_when_alone = false, ControlTimes times = {}) {
    auto listener = open_control_listener(home_.paths());
    ASSERT_TRUE(listener) << listener.error().message;
    ControlCallbacks callbacks;
    callbacks.status = [this] {
      const std::scoped_lock lock(mutex_);
      return status_;
    };
    callbacks.session = [](const std::string& session) {
      SessionNumbers numbers;
      numbers.requests = static_cast<std::int64_t>(session.size());
      numbers.reused_tokens = 18'000;
      numbers.records = R"([{"name":"cold"}])";
      return numbers;
    };
    if (ends_when_alone)
      callbacks.on_last_detached = [this] { alone_.set_value(); };
    auto server = ControlServer::start(std::move(*listener), callbacks, times);
    ASSERT_TRUE(server) << server.error();
    server_ = std::move(*server);
  }

  void set(DaemonState state, double progress) {
    {
      const std::scoped_lock lock(mutex_);
      status_.state = state;
      status_.progress = progress;
    }
    server_->status_changed();
  }

  ControlClient attach(const std::string& session = "abc", bool attach = true) {
    auto client = ControlClient::connect(home_.paths().control_socket(),
                                         Hello{"1.0", ::getpid(), session, attach});
    EXPECT_TRUE(client);
    EXPECT_TRUE(client->next_status(10s));
    return std::move(*client);
  }

  ScratchHome home_;
  std::mutex mutex_;
  DaemonStatus status_;
  std::promise<void> alone_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(Control, AnswersHelloWithEverythingKnown) {
  status_.version = "1.0";
  status_.pid = 77;
  status_.state = DaemonState::ready;
  status_.detail = "ready \"now\"";
  status_.base_url = "http://127.0.0.1:4321";
  status_.port = 4321;
  status_.token = "secret";
  status_.model_id = "qwen";
  status_.model_path = "/m/q.gguf";
  status_.context_tokens = 40960;
  status_.max_output_tokens = 8192;
  status_.reaches_claude = true;
  status_.routes_by_model = true;
  serve();
  const auto client = attach();
  const DaemonStatus& got = client.status();
  EXPECT_EQ(got.version, "1.0");
  EXPECT_EQ(got.pid, 77);
  EXPECT_EQ(got.state, DaemonState::ready);
  EXPECT_EQ(got.detail, "ready \"now\"");
  EXPECT_EQ(got.base_url, "http://127.0.0.1:4321");
  EXPECT_EQ(got.port, 4321);
  EXPECT_EQ(got.token, "secret");
  EXPECT_EQ(got.model_id, "qwen");
  EXPECT_EQ(got.model_path, "/m/q.gguf");
  EXPECT_EQ(got.context_tokens, 40960);
  EXPECT_EQ(got.max_output_tokens, 8192);
  EXPECT_TRUE(got.reaches_claude);
  EXPECT_TRUE(got.routes_by_model);
  EXPECT_FALSE(got.launcher_started);
  EXPECT_EQ(got.attached, 1);
}

TEST_F(Control, PushesEveryChangeOfState) {
  serve();
  auto client = attach();
  EXPECT_EQ(client.status().state, DaemonState::loading);
  set(DaemonState::loading, 0.5);
  const auto half = client.next_status(10s);
  ASSERT_TRUE(half);
  EXPECT_EQ(half->progress, 0.5);
  set(DaemonState::ready, 1);
  const auto ready = client.next_status(10s);
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->state, DaemonState::ready);
}

TEST_F(Control, TellsTheNumbersOfTheLaunchersSession) {
  serve();
  auto client = attach("12345");
  const auto numbers = client.ask_session(10s);
  ASSERT_TRUE(numbers);
  EXPECT_EQ(numbers->requests, 5);
  EXPECT_EQ(numbers->reused_tokens, 18'000);
  EXPECT_EQ(numbers->records, R"([{"name":"cold"}])");
}

TEST_F(Control, CountsLaunchersAndNotThoseWhoOnlyLook) {
  serve();
  const auto one = attach();
  const auto two = attach();
  const auto looker = attach("", false);
  EXPECT_EQ(looker.status().attached, 2);
  EXPECT_EQ(server_->attached(), 2u);
}

TEST_F(Control, NoticesALauncherThatWasKilled) {
  serve(true, {50ms, 20s});
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  const pid_t launcher = ::fork();
  ASSERT_GE(launcher, 0);
  if (launcher == 0) {
    auto client =
        ControlClient::connect(home_.paths().control_socket(), Hello{"1.0", ::getpid(), "k", true});
    const bool attached = client && client->next_status(10s);
    if (::write(told[1], attached ? "y" : "n", 1) == 1)
      ::pause();
    ::_exit(1);
  }
  char answer = 0;
  ASSERT_EQ(::read(told[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_EQ(server_->attached(), 1u);
  auto alone = alone_.get_future();
  EXPECT_EQ(alone.wait_for(200ms), std::future_status::timeout) << "the launcher is still there";
  ::kill(launcher, SIGKILL);
  EXPECT_EQ(alone.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(server_->attached(), 0u);
  ::waitpid(launcher, nullptr, 0);
  ::close(told[0]);
  ::close(told[1]);
}

TEST_F(Control, ALauncherThatComesWithinTheGraceKeepsTheDaemon) {
  serve(true, {700ms, 20s});
  {
    const auto first = attach();
  }
  std::optional<ControlClient> second = attach();
  auto alone = alone_.get_future();
  EXPECT_EQ(alone.wait_for(1500ms), std::future_status::timeout);
  second.reset();
  EXPECT_EQ(alone.wait_for(20s), std::future_status::ready);
}

TEST_F(Control, EndsWhenNoLauncherEverComes) {
  serve(true, {20s, 100ms});
  EXPECT_EQ(alone_.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(Control, TurnsLaunchersAwayOnceItIsEnding) {
  serve(true, {20s, 50ms});
  ASSERT_EQ(alone_.get_future().wait_for(20s), std::future_status::ready);
  auto client = ControlClient::connect(home_.paths().control_socket(), Hello{});
  if (client) { // accepted by the system, not by the daemon
    const auto status = client->next_status(10s);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), ControlFailure::closed);
  }
}

TEST_F(Control, DropsAConnectionThatSendsNoJsonAndServesTheNext) {
  serve();
  const auto address = unix_address(home_.paths().control_socket());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::connect(socket.get(), as_sockaddr(*address), sizeof *address), 0);
  ASSERT_EQ(::write(socket.get(), "GET / HTTP/1.1\r\n", 16), 16);
  char byte = 0;
  EXPECT_EQ(::read(socket.get(), &byte, 1), 0) << "the daemon must close it";
  EXPECT_EQ(attach().status().attached, 1);
}

TEST_F(Control, AClientSeesTheServerGo) {
  serve();
  auto client = attach();
  server_.reset();
  EXPECT_TRUE(client.wait_closed(10s));
  EXPECT_FALSE(client.receive());
  EXPECT_FALSE(std::filesystem::exists(home_.paths().control_socket()));
}

TEST_F(Control, OneDaemonAtATime) {
  serve();
  const auto second = open_control_listener(home_.paths());
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().busy);
  server_.reset();
  EXPECT_TRUE(open_control_listener(home_.paths()));
}

TEST(ControlProtocol, IgnoresWhatALaterVersionSays) {
  const auto message = decode(R"({"status":{"pid":4,"colour":"red"},"more":1})");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->status->pid, 4);
  const auto unknown = decode(R"({"dance":true})");
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->hello || unknown->status || unknown->session || unknown->asks_session);
}

TEST(ControlProtocol, RefusesWrongTypes) {
  EXPECT_FALSE(decode(R"({"hello":{"pid":"seven"}})"));
  EXPECT_FALSE(decode(R"({"hello":3})"));
  EXPECT_FALSE(decode("[]"));
  EXPECT_FALSE(decode(R"({"hello":)"));
}

} // namespace
} // namespace anyclaude::launch
