#include "engine/model_fingerprint.h"

#include <blake3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <format>
#include <fstream>
#include <system_error>
#include <vector>

namespace anyclaude::engine {

namespace {

template <std::size_t bytes>
std::string digits(const blake3_hasher& hasher) {
  std::array<std::uint8_t, bytes> digest{};
  blake3_hasher_finalize(&hasher, digest.data(), digest.size());
  std::string text;
  for (const std::uint8_t byte : digest)
    text += std::format("{:02x}", byte);
  return text;
}

} // namespace

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

  return digits<16>(hasher);
}

std::string model_content_hash(const std::filesystem::path& path,
                               const std::filesystem::path& folder) {
  constexpr std::size_t kDigits = 64;
  constexpr std::size_t kChunk = 1U << 20;
  const auto kept = folder / model_fingerprint(path);
  std::string hash;
  if (std::ifstream(kept) >> hash && hash.size() == kDigits)
    return hash;

  std::ifstream file(path, std::ios::binary);
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  std::vector<char> chunk(kChunk);
  while (file.read(chunk.data(), kChunk) || file.gcount() > 0)
    blake3_hasher_update(&hasher, chunk.data(), static_cast<std::size_t>(file.gcount()));
  if (!file.eof())
    return {};
  hash = digits<32>(hasher);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto pending =
      std::filesystem::path(std::format("{}.{}.partial", kept.native(), ::getpid()));
  if (std::ofstream(pending) << hash << '\n')
    std::filesystem::rename(pending, kept, error); // if not, it is computed again next time
  return hash;
}

} // namespace anyclaude::engine
