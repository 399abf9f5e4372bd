#include "launch/daemon.h"
#include "launch/daemon_keeper.h"
#include "launch/daemon_process.h"
#include "launch/scratch_home.h"
#include "launch/test_daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <set>

namespace anyclaude::launch {
namespace {

using namespace std::chrono_literals;

class Daemon : public testing::Test {
 protected:
  Attached attach(const DaemonOrder& order) {
    auto daemon = attach_or_start(home_.paths(), order);
    EXPECT_TRUE(daemon) << daemon.error();
    return std::move(*daemon);
  }

  std::size_t starts() const {
    const std::string text = home_.read("state/starts");
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }

  ScratchHome home_;
};

TEST_F(Daemon, IsStartedOnceAndThenAttachedTo) {
  const auto order = test_order(home_.paths());
  auto first = attach(order);
  EXPECT_GT(first.child, 0);
  EXPECT_TRUE(first.client.status().launcher_started);
  const auto ready = wait_ready(home_.paths(), first, {});
  ASSERT_TRUE(ready) << ready.error();
  EXPECT_EQ(ready->token, "first-token");
  const auto second = attach(order);
  EXPECT_EQ(second.child, -1);
  EXPECT_EQ(second.client.status().pid, first.child);
  EXPECT_EQ(starts(), 1u);
}

TEST_F(Daemon, LaunchersAtOnceStartOneDaemon) {
  constexpr int kLaunchers = 6;
  int answers[2];
  int hold[2];
  ASSERT_EQ(::pipe(answers), 0);
  ASSERT_EQ(::pipe(hold), 0);
  for (int i = 0; i < kLaunchers; ++i) {
    if (::fork() != 0)
      continue;
    ::close(hold[1]);
    const auto daemon = attach_or_start(home_.paths(), test_order(home_.paths()));
    const std::int64_t pid = daemon ? daemon->client.status().pid : -1;
    [[maybe_unused]] auto done = ::write(answers[1], &pid, sizeof pid);
    char byte = 0;
    done = ::read(hold[0], &byte, 1); // stays attached until all have answered
    ::_exit(0);
  }
  std::set<std::int64_t> daemons;
  for (int i = 0; i < kLaunchers; ++i) {
    std::int64_t pid = 0;
    ASSERT_EQ(::read(answers[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
    daemons.insert(pid);
  }
  for (const int fd : {hold[0], hold[1], answers[0], answers[1]})
    ::close(fd);
  EXPECT_EQ(daemons.size(), 1u);
  EXPECT_GT(*daemons.begin(), 0);
  EXPECT_EQ(starts(), 1u);
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

TEST_F(Daemon, EndsWithItsLastLauncher) {
  {
    const auto daemon = attach(test_order(home_.paths()));
  }
  EXPECT_TRUE(wait_for_daemon_end(home_.paths(), 20s));
  EXPECT_FALSE(std::filesystem::exists(home_.paths().control_socket()));
}

TEST_F(Daemon, ReplacesTheSocketOfOneThatWasKilled) {
  const auto order = test_order(home_.paths());
  const pid_t killed = attach(order).child;
  ::kill(killed, SIGKILL);
  ASSERT_EQ(::waitpid(killed, nullptr, 0), killed);
  ASSERT_TRUE(std::filesystem::exists(home_.paths().control_socket()));
  const auto daemon = attach(order);
  EXPECT_GT(daemon.child, 0);
  EXPECT_NE(daemon.child, killed);
}

TEST_F(Daemon, ReportsTheEndOfTheLogWhenItDiesWhileStarting) {
  std::ofstream(home_.paths().daemon_log()) << "a line of an older daemon\n";
  auto order = test_order(home_.paths());
  order.main = [](const DaemonStart&) {
    std::cerr << "cannot read /models/a.gguf: not a GGUF file\n";
    return 3;
  };
  const auto daemon = attach_or_start(home_.paths(), order);
  ASSERT_FALSE(daemon);
  EXPECT_NE(daemon.error().find("exit status 3"), std::string::npos) << daemon.error();
  EXPECT_NE(daemon.error().find("not a GGUF file"), std::string::npos) << daemon.error();
  EXPECT_NE(daemon.error().find("daemon.log"), std::string::npos) << daemon.error();
  EXPECT_EQ(daemon.error().find("older daemon"), std::string::npos) << daemon.error();
}

TEST_F(Daemon, ReportsAnExceptionAndASignal) {
  auto order = test_order(home_.paths());
  order.main = [](const DaemonStart&) -> int { throw std::runtime_error("no such backend"); };
  auto daemon = attach_or_start(home_.paths(), order);
  ASSERT_FALSE(daemon);
  EXPECT_NE(daemon.error().find("no such backend"), std::string::npos) << daemon.error();
  order.main = [](const DaemonStart&) { return ::raise(SIGKILL); };
  daemon = attach_or_start(home_.paths(), order);
  ASSERT_FALSE(daemon);
  EXPECT_NE(daemon.error().find("signal 9"), std::string::npos) << daemon.error();
}

TEST_F(Daemon, TellsItsProgressAndWhyItFailed) {
  auto order = test_order(home_.paths());
  const auto shown = home_.file("shown"); // what it tells was shown: now it may fail
  order.main = [shown](DaemonStart start) {
    std::promise<void> ended;
    std::atomic<bool> has_failed = false;
    std::unique_ptr<ControlServer> server;
    auto made = ControlServer::start(std::move(start.listener),
                                     {[&] {
                                        DaemonStatus status;
                                        status.version = "1.0";
                                        status.pid = ::getpid();
                                        status.model_path = "/models/a.gguf";
                                        status.state =
                                            has_failed ? DaemonState::failed : DaemonState::loading;
                                        status.progress = 0.25;
                                        status.detail = "out of memory: 9 GiB needed, 4 GiB free";
                                        return status;
                                      },
                                      {},
                                      [&] { ended.set_value(); }},
                                     {});
    server = std::move(*made);
    while (!std::filesystem::exists(shown))
      ::poll(nullptr, 0, 5);
    has_failed = true;
    server->status_changed();
    ended.get_future().wait();
    return 0;
  };
  auto daemon = attach(order);
  double progress = -1;
  const auto ready = wait_ready(home_.paths(), daemon, [&](const DaemonStatus& status) {
    progress = status.progress;
    std::ofstream(shown) << progress;
  });
  ASSERT_FALSE(ready);
  EXPECT_EQ(progress, 0.25);
  EXPECT_NE(ready.error().find("9 GiB needed"), std::string::npos) << ready.error();
}

TEST_F(Daemon, LeavesTheLaunchersTerminalFolderAndDescriptors) {
  const Descriptor leaked(::open("/dev/null", O_RDWR)); // without FD_CLOEXEC
  const int number = leaked.get();
  auto order = test_order(home_.paths());
  const auto report = home_.file("report");
  order.main = [this, report, number](DaemonStart start) {
    const bool closed = ::fcntl(number, F_GETFD) < 0; // before another file takes the number
    std::ofstream(report) << closed << (::getsid(0) == ::getpid())
                          << (std::filesystem::current_path() == "/") << (::isatty(0) == 0);
    return run_test_daemon(std::move(start), home_.paths(), "/models/a.gguf");
  };
  const auto daemon = attach(order);
  EXPECT_EQ(home_.read("report"), "1111");
  struct stat info{};
  ASSERT_EQ(::stat(home_.paths().daemon_log().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Daemon, WithAnotherModelIsNamedWhileSomebodyUsesIt) {
  std::optional<Attached> user = attach(test_order(home_.paths(), "/models/a.gguf"));
  const auto other = test_order(home_.paths(), "/models/b.gguf");
  const auto refused = attach_or_start(home_.paths(), other);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("/models/a.gguf"), std::string::npos) << refused.error();
  EXPECT_NE(refused.error().find("/models/b.gguf"), std::string::npos) << refused.error();
  EXPECT_NE(refused.error().find("anyclaude stop"), std::string::npos) << refused.error();

  const pid_t old = user->child;
  user.reset(); // nobody uses it any more: it may be replaced
  const auto replaced = attach(other);
  EXPECT_NE(replaced.client.status().pid, old);
  EXPECT_EQ(replaced.client.status().model_path, "/models/b.gguf");
}

TEST_F(Daemon, OfAnotherVersionSaysWhatToDo) {
  const auto user = attach(test_order(home_.paths()));
  auto newer = test_order(home_.paths());
  newer.version = "2.0";
  const auto refused = attach_or_start(home_.paths(), newer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("anyclaude 1.0"), std::string::npos) << refused.error();
  EXPECT_NE(refused.error().find("anyclaude 2.0"), std::string::npos) << refused.error();
}

TEST_F(Daemon, IsStopped) {
  EXPECT_EQ(stop_daemon(home_.paths(), 10s), false) << "none is running";
  const auto daemon = attach(test_order(home_.paths()));
  EXPECT_EQ(stop_daemon(home_.paths(), 20s), true);
  int status = 0;
  EXPECT_EQ(::waitpid(daemon.child, &status, 0), daemon.child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST_F(Daemon, IsStartedAgainOnItsPortWithItsToken) {
  auto order = test_order(home_.paths());
  DaemonKeeper keeper(home_.paths(), order, attach(order));
  std::set<std::int64_t> pids{keeper.status().pid};
  for (int death = 0; death < 3; ++death) {
    ::kill(static_cast<pid_t>(keeper.status().pid), SIGKILL);
    pollfd closed{keeper.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&closed, 1, 20'000), 1);
    keeper.on_readable();
    ASSERT_GE(keeper.descriptor(), 0);
    EXPECT_EQ(keeper.status().port, 4321);
    EXPECT_EQ(keeper.status().token, "first-token");
    EXPECT_TRUE(pids.insert(keeper.status().pid).second) << "a process of its own each time";
  }
  EXPECT_EQ(keeper.notes().size(), 3u);
  EXPECT_NE(home_.read("state/daemon.log").find("started in its place"), std::string::npos);

  // One that keeps dying is left alone.
  ::kill(static_cast<pid_t>(keeper.status().pid), SIGKILL);
  pollfd closed{keeper.descriptor(), POLLIN, 0};
  ASSERT_EQ(::poll(&closed, 1, 20'000), 1);
  keeper.on_readable();
  EXPECT_LT(keeper.descriptor(), 0);
  EXPECT_EQ(starts(), 4u);
  ASSERT_EQ(keeper.notes().size(), 4u);
  EXPECT_NE(keeper.notes().back().find("not started again"), std::string::npos);
}

TEST(DaemonLog, IsKeptSmallAndItsEndIsFound) {
  const ScratchHome home;
  const auto log = home.paths().daemon_log();
  EXPECT_EQ(end_of_log(log, 0), "");
  std::ofstream(log) << std::string(5 * 1024 * 1024, 'x') << "\n";
  for (int i = 0; i < 20; ++i)
    add_to_log(log, "line " + std::to_string(i));
  EXPECT_LT(std::filesystem::file_size(log), 1024u);
  EXPECT_GT(std::filesystem::file_size(log.native() + ".1"), 4u * 1024 * 1024);
  const std::string end = end_of_log(log, 0);
  EXPECT_TRUE(end.starts_with("line 8\n")) << end;
  EXPECT_TRUE(end.ends_with("line 19")) << end;
  const std::string first = "line 0\nline 1\n";
  EXPECT_TRUE(end_of_log(log, static_cast<std::int64_t>(first.size())).starts_with("line 8"));
  EXPECT_EQ(end_of_log(log, 1'000'000), "");
}

} // namespace
} // namespace anyclaude::launch
