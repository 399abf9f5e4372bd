#include "launch/paths.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <format>
#include <system_error>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

/// An XDG variable counts only when it holds an absolute path.
std::optional<fs::path> absolute(const EnvironmentLookup& environment, const char* name) {
  const auto value = environment(name);
  if (!value || value->empty() || (*value)[0] != '/')
    return std::nullopt;
  return fs::path(*value);
}

/// After `su` or `sudo -E`, XDG_RUNTIME_DIR names another user's folder, or none.
bool is_own_folder(const fs::path& folder) {
  struct stat info{};
  return ::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

bool fits_socket_address(const fs::path& path) {
  return path.native().size() < sizeof(sockaddr_un{}.sun_path);
}

/// A short name for a long one: the same runtime folder always gives the same.
std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::expected<void, std::string> use_short_runtime(Paths& paths) {
  const fs::path base = std::format("/tmp/anyclaude-{}", ::geteuid());
  const fs::path folder = base / std::format("{:016x}", fnv1a(paths.runtime.native()));
  if (auto made = make_private_folder(base); !made)
    return made;
  paths.runtime = folder;
  return make_private_folder(folder);
}

std::expected<Paths, std::string> choose(const EnvironmentLookup& environment) {
  Paths paths;
  if (const auto home = environment("ANYCLAUDE_HOME"); home && !home->empty()) {
    std::error_code ignored;
    const fs::path root = fs::absolute(*home, ignored);
    return Paths{root / "run", root / "state", root / "cache", root / "config.toml"};
  }
  const auto home = absolute(environment, "HOME");
  const auto under = [&](const char* variable, const char* fallback) -> std::optional<fs::path> {
    if (const auto base = absolute(environment, variable))
      return *base / "anyclaude";
    if (home)
      return *home / fallback / "anyclaude";
    return std::nullopt;
  };
  const auto state = under("XDG_STATE_HOME", ".local/state");
  const auto cache = under("XDG_CACHE_HOME", ".cache");
  const auto config = under("XDG_CONFIG_HOME", ".config");
  if (!state || !cache || !config)
    return std::unexpected("HOME is not set, so there is no place for anyclaude's files; set HOME, "
                           "or ANYCLAUDE_HOME to a folder of your own");
  paths.state = *state;
  paths.cache = *cache;
  paths.config_file = *config / "config.toml";
  const auto runtime = absolute(environment, "XDG_RUNTIME_DIR");
  paths.runtime = runtime && is_own_folder(*runtime) ? *runtime / "anyclaude" : paths.state / "run";
  return paths;
}

} // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::expected<void, std::string> make_private_folder(const fs::path& folder,
                                                     std::string_view otherwise) {
  std::error_code failed;
  fs::create_directories(folder.parent_path(), failed);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return std::unexpected(
        std::format("cannot create the folder {}: {}", folder.native(), std::strerror(errno)));
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0)
    return std::unexpected(
        std::format("cannot look at the folder {}: {}", folder.native(), std::strerror(errno)));
  if (!S_ISDIR(info.st_mode))
    return std::unexpected(
        std::format("{} is not a folder; remove it or {}", folder.native(), otherwise));
  if (info.st_uid != ::geteuid())
    return std::unexpected(
        std::format("the folder {} belongs to user {}, not to you (user {}); remove it or {}",
                    folder.native(), info.st_uid, ::geteuid(), otherwise));
  if ((info.st_mode & 022) != 0)
    return std::unexpected(
        std::format("other users may write to the folder {}; look into it, then run: chmod 700 {}",
                    folder.native(), folder.native()));
  if ((info.st_mode & 077) != 0 && ::chmod(folder.c_str(), 0700) != 0)
    return std::unexpected(std::format("cannot make the folder {} private: {}", folder.native(),
                                       std::strerror(errno)));
  return {};
}

std::expected<Paths, std::string> prepare_paths(const EnvironmentLookup& environment) {
  auto paths = choose(environment);
  if (!paths)
    return paths;
  for (const auto& folder : {paths->state, paths->cache})
    if (auto made = make_private_folder(folder); !made)
      return std::unexpected(made.error());
  auto runtime = fits_socket_address(paths->control_socket()) ? make_private_folder(paths->runtime)
                                                              : use_short_runtime(*paths);
  if (!runtime)
    return std::unexpected(runtime.error());
  return paths;
}

} // namespace anyclaude::launch
