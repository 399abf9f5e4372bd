#include "bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <cstdlib>
#include <format>
#include <fstream>

namespace anyclaude::bench {

namespace {

std::string cpu_name() {
#if defined(__APPLE__)
  std::string name(256, '\0');
  std::size_t size = name.size();
  if (::sysctlbyname("machdep.cpu.brand_string", name.data(), &size, nullptr, 0) == 0 && size > 1) {
    name.resize(size - 1);
    return name;
  }
#else
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (const auto colon = line.find(':'); colon != std::string::npos)
      if (line.starts_with("model name") || line.starts_with("Model\t")) // x86; some ARM boards
        return line.substr(line.find_first_not_of(" \t", colon + 1));
#endif
  return {};
}

} // namespace

std::string Machine::sentence() const {
  std::string text = cpu.empty() ? "unnamed CPU" : cpu;
  text += std::format(", {} {}", cores, cores == 1 ? "core" : "cores");
  for (const std::string& accelerator : accelerators)
    text += ", " + accelerator;
  return text + std::format(", {:.0f} GiB, {}", memory_gib, system);
}

Machine this_machine() {
  constexpr double kGibibyte = 1 << 30;
  utsname name{};
  ::uname(&name);
  return {.cpu = cpu_name(),
          .cores = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)),
          .memory_gib = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
                        static_cast<double>(::sysconf(_SC_PAGESIZE)) / kGibibyte,
          .system = std::format("{} {}", name.sysname, name.machine)};
}

double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : 0;
}

} // namespace anyclaude::bench
