// Any bytes as a block file: reading them has an answer. For libFuzzer (./dev fuzz); the corpus is
// replayed by a unit test as well.
#include "kv/block_files.h"
#include "kv/block_format.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <format>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace anyclaude::kv;

void require(bool holds) {
  if (!holds)
    std::abort();
}

BlockKey checksum(std::span<const std::byte> bytes) {
  return fingerprint_key({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

template <class T>
T number(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Gives a header the key and the checksum that belong to it, which no fuzzer finds: what stands
/// behind these checks is reached as well.
void mend(std::vector<std::byte>& bytes) {
  constexpr std::size_t kFixed = 144;
  if (bytes.size() < kFixed + 32)
    return;
  const auto size = number<std::uint32_t>(bytes, 12);
  const auto tokens = number<std::uint32_t>(bytes, 116);
  if (size < kFixed + 32 || size > bytes.size() || tokens > (size - kFixed) / sizeof(Token))
    return;
  BlockKey parent;
  std::memcpy(parent.bytes.data(), bytes.data() + 80, parent.bytes.size());
  std::vector<Token> ids(tokens);
  if (tokens > 0)
    std::memcpy(ids.data(), bytes.data() + kFixed, tokens * sizeof(Token));
  const auto key = node_key(static_cast<NodeKind>(number<std::uint32_t>(bytes, 124)), parent, ids);
  std::memcpy(bytes.data() + 48, key.bytes.data(), key.bytes.size());
  const auto sum = checksum(std::span(bytes).first(size - 32));
  std::memcpy(bytes.data() + size - 32, sum.bytes.data(), sum.bytes.size());
}

void check(const BlockHeader& header) {
  require(header.tokens.size() <= kMostBlockTokens);
  require(header.begin >= 0 && header.end() >= header.begin);
  require(header.key == node_key(header.kind, header.parent, header.tokens));
  require(header.section_bytes() < header.file_size());
}

void read_as_file(std::span<const std::byte> bytes) {
  static const int kFile = ::memfd_create("block", 0);
  require(::ftruncate(kFile, 0) == 0 &&
          ::pwrite(kFile, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  const auto block = read_block_file(std::format("/proc/self/fd/{}", kFile), nullptr, nullptr);
  if (!block)
    return;
  // A sound block: written again it is read as the same.
  const auto again = read_header(write_header(*block, BlockKey{}, 1));
  require(again && again->key == block->key && again->parent == block->parent &&
          again->begin == block->begin && again->tokens == block->tokens &&
          block_file_size(*block) == bytes.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  if (input.empty())
    return 0;
  std::vector<std::byte> bytes(input.begin() + 1, input.end());
  if ((data[0] & 1) != 0)
    mend(bytes);
  const auto header = read_header(bytes);
  if (header)
    check(*header);
  else if (header.error().needed > 0)
    require(header.error().needed > bytes.size());
  read_as_file(bytes);
  return 0;
}
