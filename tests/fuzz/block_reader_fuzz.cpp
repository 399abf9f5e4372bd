// Any bytes as a block file: reading them has an answer.
#include "fuzz/fuzzing.h"
#include "fuzz/mended_block.h"
#include "kv/block_files.h"
#include "kv/block_format.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <format>
#include <span>
#include <vector>

namespace {

using namespace anyclaude::kv;
using anyclaude::fuzz::mend_block;
using anyclaude::fuzz::require;

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
    mend_block(bytes);
  const auto header = read_header(bytes);
  if (header)
    check(*header);
  else if (header.error().needed > 0)
    require(header.error().needed > bytes.size());
  read_as_file(bytes);
  return 0;
}
