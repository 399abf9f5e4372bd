#include "launch/claude_process.h"
#include "launch/scratch_home.h"
#include "launch/summary.h"
#include "launch/test_daemon.h"

#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>

namespace anyclaude::launch {
namespace {

class Claude : public testing::Test {
 protected:
  int run(const std::string& body, DaemonKeeper* daemon = nullptr) {
    return run_claude({home_.script(body), {}, {}}, daemon);
  }

  /// Runs it in a launcher of its own, which is the leader of a job as a shell makes it.
  pid_t start_launcher(const std::string& body) {
    const auto program = home_.script(body);
    const pid_t launcher = ::fork();
    if (launcher == 0) {
      ::setpgid(0, 0);
      ::_exit(run_claude({program, {}, {}}, nullptr));
    }
    return launcher;
  }

  void make_fifo(const std::string& name) const {
    ASSERT_EQ(::mkfifo(home_.file(name).c_str(), 0600), 0);
  }

  ScratchHome home_;
};

TEST_F(Claude, ItsExitStatusIsOurs) {
  EXPECT_EQ(run("exit 0"), 0);
  EXPECT_EQ(run("exit 7"), 7);
  EXPECT_EQ(run("kill -KILL $$"), 128 + SIGKILL);
}

TEST_F(Claude, ThatCannotBeRunSaysSo) {
  EXPECT_EQ(run_claude({home_.file("absent"), {}, {}}, nullptr), 127);
  EXPECT_EQ(run_claude({home_.paths().state, {}, {}}, nullptr), 126);
}

TEST_F(Claude, GetsItsArgumentsAndVariables) {
  ::setenv("ANYCLAUDE_TEST_GONE", "still here", 1);
  ::setenv("ANYCLAUDE_TEST_CHANGED", "old", 1);
  const ClaudeCommand command{
      home_.script(
          "printf '%s|' \"$@\" \"${ANYCLAUDE_TEST_GONE-unset}\" \"$ANYCLAUDE_TEST_CHANGED\" > " +
          home_.file("seen").native()),
      {"-p", "two words", ""},
      {{"ANYCLAUDE_TEST_GONE", ""}, {"ANYCLAUDE_TEST_CHANGED", "new"}}};
  EXPECT_EQ(run_claude(command, nullptr), 0);
  EXPECT_EQ(home_.read("seen"), "-p|two words||unset|new|");
  ::unsetenv("ANYCLAUDE_TEST_GONE");
  ::unsetenv("ANYCLAUDE_TEST_CHANGED");
}

/// Signals that an interactive shell leaves alone may be ignored where the tests were started in
/// the background, and a child inherits that.
class DefaultSignals {
 public:
  DefaultSignals() {
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      former_[i] = ::signal(kSignals[i], SIG_DFL);
  }
  ~DefaultSignals() {
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      ::signal(kSignals[i], former_[i]);
  }
  DefaultSignals(const DefaultSignals&) = delete;
  DefaultSignals& operator=(const DefaultSignals&) = delete;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGQUIT, SIGHUP};
  std::array<sighandler_t, kSignals.size()> former_{};
};

TEST_F(Claude, AnInterruptIsItsOwnAffair) {
  const DefaultSignals as_in_a_terminal;
  EXPECT_EQ(run("kill -INT $PPID; kill -QUIT $PPID; exit 5"), 5) << "the launcher must not end";
  EXPECT_EQ(run("kill -INT $$; exit 5"), 128 + SIGINT) << "the child must not ignore it";
}

TEST_F(Claude, ATerminationIsPassedOn) {
  make_fifo("ready");
  const pid_t launcher = start_launcher("trap 'kill $!; exit 42' TERM; sleep 60 & echo > " +
                                        home_.file("ready").native() + "; wait $!; exit 1");
  EXPECT_EQ(home_.read("ready"), "\n"); // opening it waits for the script
  ::kill(launcher, SIGTERM);
  int status = 0;
  ASSERT_EQ(::waitpid(launcher, &status, 0), launcher);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

/// As under nohup, or SIGINT for a script's background job.
TEST_F(Claude, WhatWasIgnoredStaysIgnored) {
  const DefaultSignals as_in_a_terminal;
  make_fifo("ready");
  const auto program = home_.script(R"(exec perl -e '
    $SIG{HUP} = "DEFAULT"; $SIG{TERM} = sub { exit 42 };
    open(my $ready, ">", ")" + home_.file("ready").native() +
                                    R"("); print $ready "on\n"; close $ready; sleep 60')");
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    ::signal(SIGHUP, SIG_IGN);
    ::_exit(run_claude({program, {}, {}}, nullptr));
  }
  EXPECT_EQ(home_.read("ready"), "on\n");
  ::kill(launcher, SIGHUP); // not passed on: it would end the child before the next one does
  ::kill(launcher, SIGTERM);
  int status = 0;
  ASSERT_EQ(::waitpid(launcher, &status, 0), launcher);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(Claude, StopsAndGoesOnTogetherWithUs) {
  const pid_t launcher = start_launcher("kill -TSTP $$; exit 9");
  int status = 0;
  ASSERT_EQ(::waitpid(launcher, &status, WUNTRACED), launcher);
  ASSERT_TRUE(WIFSTOPPED(status)) << "the launcher must stop with its child";
  ::kill(launcher, SIGCONT); // to the launcher alone: it passes it on
  ASSERT_EQ(::waitpid(launcher, &status, 0), launcher);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 9);
}

TEST_F(Claude, IsStoppedWhenWeAre) {
  make_fifo("ready");
  make_fifo("go");
  const pid_t launcher = start_launcher("echo > " + home_.file("ready").native() + "; read x < " +
                                        home_.file("go").native() + "; exit 8");
  EXPECT_EQ(home_.read("ready"), "\n");
  ::kill(launcher, SIGTSTP);
  int status = 0;
  ASSERT_EQ(::waitpid(launcher, &status, WUNTRACED), launcher);
  ASSERT_TRUE(WIFSTOPPED(status));
  ::kill(-launcher, SIGCONT); // as a shell's `fg` does
  std::ofstream(home_.file("go")) << "on\n";
  ASSERT_EQ(::waitpid(launcher, &status, 0), launcher);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 8);
}

TEST_F(Claude, LeavesTheTerminalAsItWasWhenItCrashes) {
  const auto save = [&](const char* name) { return "stty -g > " + home_.file(name).native(); };
  const auto crash =
      home_.script(save("before") + "; stty raw -echo; " + save("during") + "; kill -KILL $$");
  std::filesystem::copy_file(crash, home_.file("crash"));
  const auto look = home_.script(save("after"));
  int terminal = -1;
  const pid_t launcher = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(launcher, 0);
  if (launcher == 0) {
    const int crashed = run_claude({home_.file("crash"), {}, {}}, nullptr);
    const int looked = run_claude({look, {}, {}}, nullptr);
    ::_exit(crashed == 128 + SIGKILL && looked == 0 ? 0 : 1);
  }
  std::string output;
  char buffer[1024];
  for (ssize_t got = 0; (got = ::read(terminal, buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<std::size_t>(got));
  int status = 0;
  ASSERT_EQ(::waitpid(launcher, &status, 0), launcher);
  ::close(terminal);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_NE(home_.read("during"), home_.read("before")) << "raw mode must have been set";
  EXPECT_FALSE(home_.read("before").empty());
  EXPECT_EQ(home_.read("after"), home_.read("before"));
  EXPECT_NE(output.find("\x1b[?25h"), std::string::npos) << "the cursor is shown again";
  EXPECT_NE(output.find("\x1b[?2004l"), std::string::npos);
}

TEST_F(Claude, HasADaemonBehindItThatIsStartedAgain) {
  auto order = test_order(home_.paths());
  const auto restarted = home_.file("restarted");
  order.main = [this, restarted](DaemonStart start) {
    if (start.port != 0)
      std::ofstream(restarted) << start.port << " " << start.token;
    return run_test_daemon(std::move(start), home_.paths(), "/models/a.gguf");
  };
  auto daemon = attach_or_start(home_.paths(), order);
  ASSERT_TRUE(daemon) << daemon.error();
  DaemonKeeper keeper(home_.paths(), order, std::move(*daemon));
  const auto old = keeper.status().pid;
  const std::string inherited = "/proc/self/fd/" + std::to_string(keeper.descriptor());
  EXPECT_EQ(run("[ -e " + inherited + " ] && exit 2\nkill -KILL " + std::to_string(old) +
                    "\ni=0; while [ ! -s " + restarted.native() +
                    " ] && [ $i -lt 1000 ]; do sleep 0.02; i=$((i+1)); done; exit 6",
                &keeper),
            6);
  EXPECT_EQ(home_.read("restarted"), "4321 first-token");
  ASSERT_EQ(keeper.notes().size(), 1u);
  EXPECT_NE(keeper.notes()[0].find("signal 9"), std::string::npos) << keeper.notes()[0];
  EXPECT_NE(keeper.status().pid, old);
  EXPECT_TRUE(keeper.ask_session(std::chrono::seconds(10)));
}

TEST(Summary, SaysWhatWasReusedAndSaved) {
  EXPECT_EQ(session_summary({}), "");
  SessionNumbers numbers;
  numbers.requests = 3;
  numbers.prompt_tokens = 55'470;
  numbers.reused_tokens = 36'980;
  numbers.computed_tokens = 18'490;
  numbers.output_tokens = 412;
  numbers.saved_ms = 61'400;
  EXPECT_EQ(session_summary(numbers),
            "anyclaude: 3 requests, 55,470 prompt tokens: 36,980 reused (66%), 18,490 computed; "
            "412 generated; about 1 min 1 s saved\n");
  numbers = {};
  numbers.requests = 1;
  numbers.prompt_tokens = numbers.computed_tokens = 999;
  EXPECT_EQ(session_summary(numbers), "anyclaude: 1 request, 999 prompt tokens: 0 reused (0%), 999 "
                                      "computed; 0 generated\n");
}

} // namespace
} // namespace anyclaude::launch
