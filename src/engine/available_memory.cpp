#include "engine/available_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace anyclaude::engine {

namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

std::optional<std::uint64_t> first_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt; // "max" is none
}

/// The number behind a name in a file of "name number" lines.
std::optional<std::uint64_t> number_of(const std::string& name, const std::filesystem::path& path) {
  std::ifstream file(path);
  for (std::string each; file >> each;) {
    std::uint64_t number = 0;
    file >> number;
    if (each == name)
      return number;
    file.clear();
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

/// What the files of a version of control groups are called.
struct Names {
  const char* limit;
  const char* usage;
  // In memory.stat, pages of files:
  const char* inactive_file; // that nobody has looked at lately
  const char* active_file;   // the others
};
constexpr Names kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
                          "total_active_file"};
constexpr Names kVersion2{"memory.max", "memory.current", "inactive_file", "active_file"};

/// Which pages of files count as free: those that are not missed, or all that can go.
enum class Pages { inactive, all };

/// What the limits of a group and of those above it leave.
std::uint64_t left_by_groups(const std::filesystem::path& root, std::filesystem::path group,
                             const Names& names, Pages pages) {
  std::uint64_t left = kNoLimit;
  for (group = group.relative_path();; group = group.parent_path()) {
    const auto folder = root / group;
    const auto limit = first_number(folder / names.limit);
    const auto usage = first_number(folder / names.usage);
    if (limit && usage) {
      const auto bytes = [&](const char* name) {
        return number_of(name, folder / "memory.stat").value_or(0);
      };
      const std::uint64_t can_go =
          bytes(names.inactive_file) + (pages == Pages::all ? bytes(names.active_file) : 0);
      const std::uint64_t kept = *usage - std::min(*usage, can_go);
      left = std::min(left, *limit - std::min(*limit, kept));
    }
    if (group.empty())
      return left;
  }
}

/// The lines of /proc/self/cgroup are number:controllers:path.
std::uint64_t left_by_all_groups(const std::filesystem::path& system, Pages pages) {
  const auto groups = system / "sys/fs/cgroup";
  std::uint64_t left = kNoLimit;
  std::ifstream file(system / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty())
      left = std::min(left, left_by_groups(groups, path, kVersion2, pages));
    else if (("," + controllers + ",").contains(",memory,"))
      left = std::min(left, left_by_groups(groups / "memory", path, kVersion1, pages));
  }
  return left;
}

constexpr std::uint64_t kKib = 1024;

std::uint64_t free_memory(const std::filesystem::path& system) {
  if (const auto kib = number_of("MemAvailable:", system / "proc/meminfo"))
    return *kib * kKib;
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 2;
}

/// What a limit of the address space (RLIMIT_AS, `ulimit -v`) leaves.
std::uint64_t left_of_address_space(const std::filesystem::path& system) {
  const std::string name = "Max address space";
  std::ifstream file(system / "proc/self/limits");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name))
      continue;
    std::uint64_t limit = 0;
    if (!(std::istringstream(line.substr(name.size())) >> limit)) // "unlimited"
      return kNoLimit;
    const auto taken = first_number(system / "proc/self/statm").value_or(0) *
                       static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return limit - std::min(limit, taken);
  }
  return kNoLimit;
}

std::uint64_t left_by_limits(const std::filesystem::path& system, Pages pages) {
  return std::min(left_by_all_groups(system, pages), left_of_address_space(system));
}

} // namespace

std::uint64_t available_memory(const std::filesystem::path& system) {
  return std::min(free_memory(system), left_by_limits(system, Pages::inactive));
}

std::uint64_t memory_before_the_end(const std::filesystem::path& system) {
  const std::uint64_t swap = number_of("SwapFree:", system / "proc/meminfo").value_or(0) * kKib;
  return std::min(free_memory(system) + swap, left_by_limits(system, Pages::all));
}

} // namespace anyclaude::engine
