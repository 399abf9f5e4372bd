#pragma once

#include "kv/block.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace anyclaude::kv {

/// How a block is written to a file; docs/kv-store.md says it byte by byte. Everything that is read
/// is untrusted: whatever the bytes are, reading them has an answer and touches nothing else.

inline constexpr std::uint32_t kBlockFormat = 2;
/// Enough of a file's beginning to hold the header of a block of kBlockTokens tokens.
inline constexpr std::size_t kUsualHeader = 4096;
inline constexpr std::uint32_t kMostBlockTokens = 1U << 16;

/// What makes a file unusable.
enum class Damage {
  unreadable,    // it is not there, or reading failed
  not_a_block,   // too short, or another kind of file
  other_version, // of the format
  header,        // the header's checksum is wrong, or it contradicts itself
  contents,      // a section's checksum is wrong, or it is cut off
  misplaced,     // a sound block, but not the one that should be there
};
std::string_view to_string(Damage damage);

struct Section {
  std::uint32_t kind = 0;
  std::uint64_t offset = 0; // from the file's beginning
  std::uint64_t size = 0;   // bytes
  std::array<std::uint8_t, 32> checksum{};
};
inline constexpr std::uint32_t kCellSection = 1;
inline constexpr std::uint32_t kStateSection = 2;

/// Everything of a block but what its sections hold.
struct BlockHeader {
  NodeKind kind = NodeKind::block;
  BlockKey fingerprint; // see fingerprint_key()
  BlockKey key;
  BlockKey parent;
  int begin = 0;
  double seconds = 0; // that computing it takes
  std::vector<Token> tokens;
  std::vector<Section> sections; // cells, where there are any; of a checkpoint, the state

  int end() const { return begin + static_cast<int>(tokens.size()); }
  std::uint64_t file_size() const;
  std::uint64_t section_bytes() const;
};

/// A fingerprint of any length as a key of fixed size.
BlockKey fingerprint_key(std::string_view fingerprint);

/// How large the file of a block is.
std::uint64_t block_file_size(const Block& block);

/// The bytes in front of a block's sections, padding included.
std::vector<std::byte> write_header(const Block& block, const BlockKey& fingerprint,
                                    double seconds);

/// Reads a file's beginning, which may hold more than the header. With too little of it the answer
/// is `needed`, how much it takes.
struct HeaderNeeds {
  std::size_t needed = 0; // 0: it is damage
  Damage damage = Damage::header;
};
std::expected<BlockHeader, HeaderNeeds> read_header(std::span<const std::byte> bytes);

/// The header of a block that is the same but for what stands in front of it: under another parent,
/// with the key that follows from that. `header` was read_header()'s before.
std::vector<std::byte> with_parent(std::span<const std::byte> header, const BlockKey& parent);

/// Finds out whether the bytes of a section are those that were written, while they are read.
class SectionCheck {
 public:
  SectionCheck();
  ~SectionCheck();
  SectionCheck(const SectionCheck&) = delete;
  SectionCheck& operator=(const SectionCheck&) = delete;

  void add(std::span<const std::byte> bytes);
  bool agrees(const Section& section) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether these are all the bytes of a section.
bool is_sound(const Section& section, std::span<const std::byte> bytes);

} // namespace anyclaude::kv
