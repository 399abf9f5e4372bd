#include "engine/model_fingerprint.h"

#include <blake3.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <format>
#include <fstream>
#include <vector>

namespace anyclaude::engine {

std::string model_fingerprint(const std::filesystem::path& path) {
  // The metadata stands in front: keys, the vocabulary, the tensors' names and shapes.
  constexpr std::size_t kHead = 1U << 20;
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    const std::array<std::int64_t, 5> identity{
        status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
        static_cast<std::int64_t>(status.st_dev), static_cast<std::int64_t>(status.st_ino)};
    blake3_hasher_update(&hasher, identity.data(), sizeof identity);
  }
  std::vector<char> head(kHead);
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), kHead);
  blake3_hasher_update(&hasher, head.data(), static_cast<std::size_t>(file.gcount()));

  std::array<std::uint8_t, 16> digest{};
  blake3_hasher_finalize(&hasher, digest.data(), digest.size());
  std::string name;
  for (const std::uint8_t byte : digest)
    name += std::format("{:02x}", byte);
  return name;
}

} // namespace anyclaude::engine
