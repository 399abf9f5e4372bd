#include "launch/paths.h"
#include "launch/scratch_home.h"
#include "launch/unix_socket.h"

#include <sys/stat.h>

#include <map>

namespace anyclaude::launch {
namespace {
namespace fs = std::filesystem;

EnvironmentLookup variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

mode_t mode_of(const fs::path& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

TEST(Paths, FollowTheXdgVariables) {
  const ScratchHome home;
  fs::create_directories(home.file("runtime"));
  const auto paths = prepare_paths(variables({{"HOME", home.file("h").native()},
                                              {"XDG_RUNTIME_DIR", home.file("runtime").native()},
                                              {"XDG_STATE_HOME", home.file("s").native()},
                                              {"XDG_CACHE_HOME", home.file("c").native()},
                                              {"XDG_CONFIG_HOME", home.file("k").native()}}));
  ASSERT_TRUE(paths) << paths.error();
  EXPECT_EQ(paths->runtime, home.file("runtime/anyclaude"));
  EXPECT_EQ(paths->state, home.file("s/anyclaude"));
  EXPECT_EQ(paths->cache, home.file("c/anyclaude"));
  EXPECT_EQ(paths->config_file, home.file("k/anyclaude/config.toml"));
  for (const auto& folder : {paths->runtime, paths->state, paths->cache})
    EXPECT_EQ(mode_of(folder), 0700u) << folder;
}

TEST(Paths, HaveDefaultsUnderHome) {
  const ScratchHome home;
  const auto paths = prepare_paths(variables({{"HOME", home.file("h").native()}}));
  ASSERT_TRUE(paths) << paths.error();
  EXPECT_EQ(paths->state, home.file("h/.local/state/anyclaude"));
  EXPECT_EQ(paths->runtime, home.file("h/.local/state/anyclaude/run"));
  EXPECT_EQ(paths->config_file, home.file("h/.config/anyclaude/config.toml"));
}

TEST(Paths, DoNotUseARuntimeFolderThatIsMissing) {
  const ScratchHome home;
  const auto paths = prepare_paths(variables(
      {{"HOME", home.file("h").native()}, {"XDG_RUNTIME_DIR", home.file("absent").native()}}));
  ASSERT_TRUE(paths) << paths.error();
  EXPECT_EQ(paths->runtime, paths->state / "run");
}

TEST(Paths, NeedHome) {
  const auto paths = prepare_paths(variables({}));
  ASSERT_FALSE(paths);
  EXPECT_NE(paths.error().find("HOME"), std::string::npos);
}

TEST(Paths, RefuseAFolderThatOthersMayWriteTo) {
  const ScratchHome home;
  const fs::path runtime = home.paths().runtime;
  ASSERT_EQ(::chmod(runtime.c_str(), 0770), 0);
  const auto refused = make_private_folder(runtime);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("chmod 700 " + runtime.native()), std::string::npos);
  ASSERT_EQ(::chmod(runtime.c_str(), 0700), 0);
  EXPECT_TRUE(make_private_folder(runtime));
}

TEST(Paths, MakeAReadableFolderPrivate) {
  const ScratchHome home;
  ASSERT_EQ(::chmod(home.paths().state.c_str(), 0755), 0);
  ASSERT_TRUE(make_private_folder(home.paths().state));
  EXPECT_EQ(mode_of(home.paths().state), 0700u);
}

TEST(Paths, RefuseALinkAndAFile) {
  const ScratchHome home;
  fs::create_directory_symlink(home.paths().state, home.file("link"));
  EXPECT_FALSE(make_private_folder(home.file("link")));
  std::ofstream(home.file("plain")) << "x";
  EXPECT_FALSE(make_private_folder(home.file("plain")));
}

TEST(Paths, RefuseSomebodyElsesFolder) {
  // "/" is root's; as root itself, a folder is given away.
  const ScratchHome home;
  fs::path theirs = "/";
  if (::geteuid() == 0) {
    theirs = home.file("theirs");
    fs::create_directory(theirs);
    ASSERT_EQ(::chown(theirs.c_str(), 12345, 12345), 0);
  }
  const auto refused = make_private_folder(theirs);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("belongs to user"), std::string::npos) << refused.error();
}

TEST(Paths, FallBackWhereTheSocketsNameWouldBeTooLong) {
  const ScratchHome home;
  const fs::path deep = home.file(std::string(100, 'd'));
  const auto lookup = variables({{"ANYCLAUDE_HOME", deep.native()}});
  const auto paths = prepare_paths(lookup);
  ASSERT_TRUE(paths) << paths.error();
  EXPECT_TRUE(unix_address(paths->control_socket()));
  EXPECT_EQ(paths->state, deep / "state");
  EXPECT_EQ(prepare_paths(lookup)->runtime, paths->runtime) << "every launcher must find the same";
  fs::remove_all(paths->runtime);
}

} // namespace
} // namespace anyclaude::launch
