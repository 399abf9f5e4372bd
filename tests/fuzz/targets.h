#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace anyclaude::fuzz {

struct Target {
  std::string name;
  int (*run)(const std::uint8_t* data, std::size_t size);
};

/// All of this folder: made by tests/CMakeLists.txt of the files NAME_fuzz.cpp.
std::vector<Target> targets();

} // namespace anyclaude::fuzz
