#pragma once

#include <string>
#include <vector>

namespace anyclaude::bench {

/// What a measurement ran on.
struct Machine {
  std::string cpu;
  int cores = 0; // that the system schedules on
  double memory_gib = 0;
  std::string system;                      // "Linux x86_64"
  std::vector<std::string> accelerators{}; // that the engine computes with, beside the CPU

  /// "AMD EPYC 7R13, 8 cores, 31 GiB, Linux x86_64"
  std::string sentence() const;
};

/// Unknown things are left empty or 0. The accelerators are the engine's to know.
Machine this_machine();

/// Programs that compute or wait for the disk, averaged over the last minute; 0: unknown.
double load_average();

} // namespace anyclaude::bench
