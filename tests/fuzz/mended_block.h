#pragma once

#include "kv/block_format.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace anyclaude::fuzz {

template <class T>
T number(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Gives a block's header the key and the checksum that belong to it, which no fuzzer finds: what
/// stands behind these checks is reached as well.
inline void mend_block(std::span<std::byte> bytes) {
  constexpr std::size_t kFixed = 144;
  constexpr std::size_t kChecksum = 32;
  if (bytes.size() < kFixed + kChecksum)
    return;
  const auto size = number<std::uint32_t>(bytes, 12);
  const auto tokens = number<std::uint32_t>(bytes, 116);
  if (size < kFixed + kChecksum || size > bytes.size() ||
      tokens > (size - kFixed) / sizeof(kv::Token))
    return;
  kv::BlockKey parent;
  std::memcpy(parent.bytes.data(), bytes.data() + 80, parent.bytes.size());
  std::vector<kv::Token> ids(tokens);
  if (tokens > 0)
    std::memcpy(ids.data(), bytes.data() + kFixed, tokens * sizeof(kv::Token));
  const auto kind = static_cast<kv::NodeKind>(number<std::uint32_t>(bytes, 124));
  const auto key = node_key(kind, parent, ids);
  std::memcpy(bytes.data() + 48, key.bytes.data(), key.bytes.size());
  const auto sum =
      kv::fingerprint_key({reinterpret_cast<const char*>(bytes.data()), size - kChecksum});
  std::memcpy(bytes.data() + size - kChecksum, sum.bytes.data(), sum.bytes.size());
}

} // namespace anyclaude::fuzz
