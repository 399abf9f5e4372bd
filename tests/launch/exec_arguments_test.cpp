#include "launch/exec_arguments.h"
#include "launch/scratch_home.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>

namespace anyclaude::launch {
namespace {

using testing::HasSubstr;

TEST(ExecFailure, TellsAMissingInterpreterFromAMissingProgram) {
  const ScratchHome home;
  const auto program = home.file("server");
  EXPECT_EQ(exec_failure(program, ENOENT),
            "cannot run " + program.native() + ": No such file or directory");
  std::ofstream(program) << "#!/nowhere/python3\n";
  EXPECT_THAT(exec_failure(program, ENOENT), HasSubstr("the interpreter"));
  EXPECT_THAT(exec_failure(program, EACCES), HasSubstr("Permission denied"));
}

} // namespace
} // namespace anyclaude::launch
