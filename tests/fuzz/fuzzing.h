#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <random>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// What the targets of libFuzzer share. A target reads any bytes and states with require() what
/// must hold whatever they are. Under libFuzzer a broken one ends the program, which keeps the
/// input; the unit tests, which run the same targets (targets_test.cpp), catch it.
namespace anyclaude::fuzz {

struct Broken : std::logic_error {
  using logic_error::logic_error;
};

inline void require(bool holds,
                    const std::source_location& where = std::source_location::current()) {
  if (!holds)
    throw Broken(std::format("{}:{}", where.file_name(), where.line()));
}

/// The bytes of an input: choices in front, and what is read behind them.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  /// The next choice; 0 where the input has ended.
  unsigned byte() {
    if (rest_.empty())
      return 0;
    const auto first = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }
  std::string_view line() {
    const std::string_view first = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(first.size() + 1, rest_.size()));
    return first;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// A text in pieces, cut where `seed` says: at every byte for 0.
inline std::vector<std::string_view> cut(std::string_view text, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const std::size_t length = seed == 0 ? 1 : std::min<std::size_t>(random() % 17, text.size());
    pieces.push_back(text.substr(0, length)); // may be empty
    text.remove_prefix(length);
  }
  return pieces;
}

/// A folder for a target's files, empty whenever it is asked for; in memory where there is such a
/// place.
class Scratch {
 public:
  Scratch() {
    const bool in_memory = ::access("/dev/shm", W_OK) == 0;
    std::string name = std::string(in_memory ? "/dev/shm" : "/tmp") + "/anyclaude_fuzz_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      throw std::runtime_error("no folder for files");
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& emptied() const {
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      std::filesystem::remove_all(entry);
    return path_;
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

} // namespace anyclaude::fuzz
