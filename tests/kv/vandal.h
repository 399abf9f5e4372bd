#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::kv {

/// What anything may do to a folder of files.
class Vandal {
 public:
  Vandal(std::vector<std::filesystem::path> files, unsigned seed)
      : files_(std::move(files)), random_(seed) {}

  void strike() {
    const std::filesystem::path& file = any();
    const auto size = std::filesystem::file_size(file);
    switch (random_() % 6) {
    case 0:
    case 1: // a bit of the header or of anything
      return flip(file,
                  size == 0
                      ? 0
                      : random_() % (random_() % 2 ? size : std::min<std::uintmax_t>(size, 1400)));
    case 2:
      std::filesystem::resize_file(file, size == 0 ? 0 : random_() % size);
      return;
    case 3: // grows
      std::ofstream(file, std::ios::app | std::ios::binary) << "more";
      return;
    case 4: { // one block under another's name
      const std::filesystem::path& other = any();
      if (other != file)
        std::filesystem::copy_file(other, file, std::filesystem::copy_options::overwrite_existing);
      return;
    }
    default: { // the beginning of one, the end of another
      const std::filesystem::path& other = any();
      std::ifstream in(other, std::ios::binary);
      std::string bytes(random_() % 3000, '\0');
      in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
      out.write(bytes.data(), in.gcount());
    }
    }
  }

 private:
  const std::filesystem::path& any() { return files_[random_() % files_.size()]; }
  static void flip(const std::filesystem::path& path, std::uintmax_t at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ (1 << (at % 8))));
  }

  std::vector<std::filesystem::path> files_;
  std::mt19937 random_;
};

} // namespace anyclaude::kv
