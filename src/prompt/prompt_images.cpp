#include "prompt/prompt_images.h"

#include "prompt/control_text.h"

#include <blake3.h>

#include <array>
#include <format>
#include <utility>

namespace anyclaude::prompt {

std::string add_image(NamedImages& images, std::vector<std::int32_t> tokens) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, tokens.data(), tokens.size() * sizeof(std::int32_t));
  std::array<std::uint8_t, 16> hash{};
  blake3_hasher_finalize(&hasher, hash.data(), hash.size());
  std::string name;
  for (const std::uint8_t byte : hash)
    name += std::format("{:02x}", byte);
  std::string marked(ControlText::kImageMark);
  marked += name;
  marked += ControlText::kImageMark;
  images.try_emplace(std::move(name), std::move(tokens));
  return marked;
}

} // namespace anyclaude::prompt
