#include "launch/claude_settings.h"
#include "launch/descriptor.h"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <format>
#include <string_view>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "claude-settings-";

/// A launcher that was killed could not remove its file, and a token stands in it.
void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().native();
    pid_t owner = 0;
    if (!name.starts_with(kPrefix))
      continue;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), owner);
    if (owner > 0 && ::kill(owner, 0) != 0 && errno == ESRCH)
      fs::remove(entry.path(), ignored);
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR)
      return false;
    if (written > 0)
      text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

} // namespace

std::expected<SettingsFile, std::string> SettingsFile::write(const Paths& paths,
                                                             const std::string& json) {
  remove_leftovers(paths.runtime);
  std::string name = (paths.runtime / std::format("{}{}-XXXXXX", kPrefix, ::getpid())).native();
  const Descriptor file(::mkstemp(name.data())); // creates it with mode 0600
  if (!file)
    return std::unexpected(std::format("cannot create {}: {}", name, std::strerror(errno)));
  SettingsFile settings{fs::path(name)};
  ::fcntl(file.get(), F_SETFD, FD_CLOEXEC);
  if (!write_all(file.get(), json))
    return std::unexpected(std::format("cannot write {}: {}", name, std::strerror(errno)));
  return settings;
}

SettingsFile::~SettingsFile() {
  std::error_code ignored;
  if (!path_.empty())
    fs::remove(path_, ignored);
}

} // namespace anyclaude::launch
