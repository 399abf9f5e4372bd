#include "launch/captured_process.h"
#include "launch/scratch_home.h"

#include <gmock/gmock.h>

namespace anyclaude::launch {
namespace {

using testing::HasSubstr;

class CapturedProcessTest : public testing::Test {
 protected:
  CapturedProcess shell(const std::string& body) const {
    CapturedProcess process;
    process.command = {home_.script(body), {}, {}};
    process.working_directory = home_.paths().state;
    process.timeout = std::chrono::seconds(60);
    return process;
  }
  ScratchHome home_;
};

TEST_F(CapturedProcessTest, KeepsOutputErrorsAndStatusApart) {
  const auto captured = run_captured(shell("pwd; echo wrong >&2; cat; exit 3"));
  ASSERT_TRUE(captured) << captured.error();
  EXPECT_EQ(captured->output, home_.paths().state.native() + "\n");
  EXPECT_EQ(captured->errors, "wrong\n");
  EXPECT_EQ(captured->status, 3);
  EXPECT_EQ(run_captured(shell("kill -KILL $$"))->status, 128 + SIGKILL);
}

/// More than a pipe holds: the child waits for us as it would for any reader.
TEST_F(CapturedProcessTest, LosesNothingOfAFastWriter) {
  const auto captured = run_captured(shell("exec head -c 8000000 /dev/zero"));
  ASSERT_TRUE(captured) << captured.error();
  EXPECT_EQ(captured->errors, "");
  EXPECT_EQ(captured->status, 0);
  EXPECT_EQ(captured->output.size(), 8'000'000U);
}

TEST_F(CapturedProcessTest, SaysWhatCannotBeRun) {
  CapturedProcess process = shell("exit 0");
  process.command.program = home_.file("absent");
  const auto absent = run_captured(process);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error(),
            "cannot run " + home_.file("absent").native() + ": No such file or directory");
  process = shell("exit 0");
  process.working_directory = home_.file("nowhere");
  EXPECT_FALSE(run_captured(process));
}

TEST_F(CapturedProcessTest, KillsWhatDoesNotEnd) {
  CapturedProcess process = shell("sleep 600 & wait");
  process.timeout = std::chrono::seconds(1);
  const auto captured = run_captured(process);
  ASSERT_FALSE(captured);
  EXPECT_THAT(captured.error(), HasSubstr("has not ended after 1 s and was killed"));
}

} // namespace
} // namespace anyclaude::launch
