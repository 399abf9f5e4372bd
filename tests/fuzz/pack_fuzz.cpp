// Any bytes as a file that somebody else exported: what is added to the store is sound, and the
// rest is named. With an odd first byte the checksums and the signature are made to agree, as
// someone hostile would.
#include "fuzz/fuzzing.h"
#include "fuzz/mended_block.h"
#include "kv/pack.h"

#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace anyclaude::kv;
namespace fuzz = anyclaude::fuzz;
using fuzz::number;
using fuzz::require;

constexpr std::size_t kFixed = 32;

/// The length of what is signed, or 0 where the file ends before.
std::size_t signed_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() < kFixed)
    return 0;
  const std::uint64_t texts =
      std::uint64_t{number<std::uint32_t>(bytes, 12)} + number<std::uint32_t>(bytes, 16);
  const auto headers = number<std::uint64_t>(bytes, 24);
  if (texts > bytes.size() || headers > bytes.size())
    return 0;
  const std::size_t end = kFixed + texts + headers + sizeof(PublicKey);
  return end + sizeof(Signature) <= bytes.size() ? end : 0;
}

void mend_pack(std::span<std::byte> bytes) {
  const std::size_t end = signed_bytes(bytes);
  if (end == 0)
    return;
  const BlockKey fingerprint = fingerprint_key(
      {reinterpret_cast<const char*>(bytes.data()) + kFixed, number<std::uint32_t>(bytes, 12)});
  const auto headers = number<std::uint64_t>(bytes, 24);
  auto rest = bytes.subspan(end - sizeof(PublicKey) - headers, headers);
  while (rest.size() >= sizeof(std::uint32_t)) {
    const std::size_t length = number<std::uint32_t>(rest, 0);
    rest = rest.subspan(sizeof(std::uint32_t));
    if (length > rest.size())
      break;
    if (length > 48)
      std::memcpy(rest.data() + 16, fingerprint.bytes.data(), fingerprint.bytes.size());
    fuzz::mend_block(rest.first(length));
    rest = rest.subspan(length);
  }
  constexpr SigningKey kKey{1, 2, 3};
  const PublicKey key = public_key(kKey);
  std::memcpy(bytes.data() + end - key.size(), key.data(), key.size());
  const Signature signature = sign(kKey, bytes.first(end));
  std::memcpy(bytes.data() + end, signature.data(), signature.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const bool mend = (input.byte() & 1) != 0;
  std::vector<std::byte> bytes;
  for (const char c : input.rest())
    bytes.push_back(static_cast<std::byte>(c));
  if (mend)
    mend_pack(bytes);
  static const fuzz::Scratch kScratch;
  const auto& folder = kScratch.emptied();
  const auto file = folder / "prefix.pack";
  fuzz::write_file(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});

  const auto manifest = read_manifest(file);
  if (!manifest) {
    require(manifest.error().starts_with(file.native()));
    return 0;
  }
  std::set<BlockKey> theirs;
  for (const auto& record : manifest->records)
    theirs.insert(record.block.key);
  const auto files = BlockFiles::open(folder / "store", manifest->fingerprint, manifest->model);
  require(files.has_value());
  const PackRead read = add_pack(file, *manifest, **files, "tenant");
  require(read.added + read.known <= manifest->records.size());
  if (read.problem.empty())
    require(read.added + read.known == manifest->records.size() && read.added <= theirs.size());
  const auto scan = (*files)->scan();
  require(scan.damaged.empty() && scan.blocks.size() == read.added);
  for (const auto& block : scan.blocks)
    require((*files)->read(block.header.key).has_value());
  return 0;
}
