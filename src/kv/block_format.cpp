#include "kv/block_format.h"

#include <blake3.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace anyclaude::kv {

static_assert(std::endian::native == std::endian::little,
              "numbers in block files are little-endian");

namespace {

using Checksum = std::array<std::uint8_t, 32>;

constexpr std::array<char, 8> kMagic = {'a', 'c', 'k', 'v', 'b', 'l', 'k', '\n'};
constexpr std::size_t kFixed = 144; // bytes in front of the tokens
constexpr std::size_t kSectionSize = 56;
constexpr std::size_t kAlignment = 64; // of the cells in the file
constexpr std::uint32_t kMostSections = 2;
constexpr std::uint64_t kMostSectionBytes = std::uint64_t{1} << 40;

Checksum checksum(std::span<const std::byte> bytes) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  Checksum sum;
  blake3_hasher_finalize(&hasher, sum.data(), sum.size());
  return sum;
}

/// Appends numbers and arrays as they stand in memory.
class Writer {
 public:
  template <class T>
  void put(const T& value) {
    put_bytes(std::as_bytes(std::span(&value, 1)));
  }
  void put_bytes(std::span<const std::byte> more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
  }
  void pad_to(std::size_t size) { bytes_.resize(size); }
  std::size_t size() const { return bytes_.size(); }
  std::span<const std::byte> written() const { return bytes_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

/// Takes numbers and arrays off the front; the caller knows that there are enough bytes.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  T get() {
    T value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }
  template <class T>
  std::vector<T> list(std::size_t count) {
    std::vector<T> values(count);
    if (count > 0)
      std::memcpy(values.data(), bytes_.data(), count * sizeof(T));
    bytes_ = bytes_.subspan(count * sizeof(T));
    return values;
  }

 private:
  std::span<const std::byte> bytes_;
};

std::size_t header_size(std::size_t tokens, std::size_t sections) {
  return kFixed + tokens * sizeof(Token) + sections * kSectionSize + sizeof(Checksum);
}

std::size_t aligned(std::size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

/// Whether the sections are those that a node of this kind has: cells, if any, and a checkpoint's
/// state behind them.
bool fit_the_kind(const BlockHeader& header) {
  const auto& sections = header.sections;
  const std::size_t states = header.kind == NodeKind::checkpoint ? 1 : 0;
  if (sections.size() < states || sections.size() > states + 1)
    return false;
  return (sections.size() == states || sections.front().kind == kCellSection) &&
         (states == 0 || sections.back().kind == kStateSection);
}

/// Whether the sections stand one behind the other, from where the header ends.
bool are_in_order(const BlockHeader& header) {
  std::uint64_t at = aligned(header_size(header.tokens.size(), header.sections.size()));
  for (const Section& section : header.sections) {
    if (section.offset != at || section.size == 0 || section.size > kMostSectionBytes)
      return false;
    at += section.size;
  }
  return true;
}

} // namespace

std::string_view to_string(Damage damage) {
  switch (damage) {
  case Damage::unreadable:
    return "cannot be read";
  case Damage::not_a_block:
    return "is not a block file";
  case Damage::other_version:
    return "is of another format version";
  case Damage::header:
    return "has a damaged header";
  case Damage::contents:
    return "has damaged contents";
  case Damage::misplaced:
    return "is a block of another place";
  }
  return "is damaged";
}

BlockKey fingerprint_key(std::string_view fingerprint) {
  BlockKey key;
  key.bytes = checksum(std::as_bytes(std::span(fingerprint)));
  return key;
}

std::uint64_t BlockHeader::section_bytes() const {
  std::uint64_t bytes = 0;
  for (const Section& section : sections)
    bytes += section.size;
  return bytes;
}

std::uint64_t BlockHeader::file_size() const {
  return aligned(header_size(tokens.size(), sections.size())) + section_bytes();
}

std::uint64_t block_file_size(const Block& block) {
  const std::size_t sections = (block.cells.empty() ? 0 : 1) + (block.state ? 1 : 0);
  return aligned(header_size(block.tokens.size(), sections)) + block.bytes();
}

std::vector<std::byte> write_header(const Block& block, const BlockKey& fingerprint,
                                    double seconds) {
  std::vector<std::pair<std::uint32_t, std::span<const std::byte>>> sections;
  if (!block.cells.empty())
    sections.emplace_back(kCellSection, block.cells);
  if (block.state)
    sections.emplace_back(kStateSection, *block.state);
  const std::size_t size = header_size(block.tokens.size(), sections.size());
  Writer out;
  out.put(kMagic);
  out.put(kBlockFormat);
  out.put(static_cast<std::uint32_t>(size));
  out.put(fingerprint.bytes);
  out.put(block.key.bytes);
  out.put(block.parent.bytes);
  out.put(static_cast<std::uint32_t>(block.begin));
  out.put(static_cast<std::uint32_t>(block.tokens.size()));
  out.put(static_cast<std::uint32_t>(sections.size()));
  out.put(block.kind);
  out.put(seconds);
  out.put(std::uint64_t{0});
  out.put_bytes(std::as_bytes(std::span(block.tokens)));
  std::uint64_t offset = aligned(size);
  for (const auto& [kind, bytes] : sections) {
    out.put(kind);
    out.put(std::uint32_t{0});
    out.put(offset);
    out.put(static_cast<std::uint64_t>(bytes.size()));
    out.put(checksum(bytes));
    offset += bytes.size();
  }
  out.put(checksum(out.written()));
  out.pad_to(aligned(size));
  return out.take();
}

std::expected<BlockHeader, HeaderNeeds> read_header(std::span<const std::byte> bytes) {
  const auto damaged = [](Damage damage) { return std::unexpected(HeaderNeeds{0, damage}); };
  if (bytes.size() < kFixed)
    return damaged(Damage::not_a_block);
  Reader in(bytes);
  if (in.get<std::array<char, 8>>() != kMagic)
    return damaged(Damage::not_a_block);
  if (in.get<std::uint32_t>() != kBlockFormat)
    return damaged(Damage::other_version);
  const auto size = in.get<std::uint32_t>();
  BlockHeader header;
  header.fingerprint.bytes = in.get<Checksum>();
  header.key.bytes = in.get<Checksum>();
  header.parent.bytes = in.get<Checksum>();
  const auto begin = in.get<std::uint32_t>();
  const auto tokens = in.get<std::uint32_t>();
  const auto sections = in.get<std::uint32_t>();
  const auto kind = in.get<std::uint32_t>();
  header.seconds = in.get<double>();
  in.get<std::uint64_t>();
  const bool is_block = kind == static_cast<std::uint32_t>(NodeKind::block);
  if ((!is_block && kind != static_cast<std::uint32_t>(NodeKind::checkpoint)) ||
      (is_block && tokens == 0) || tokens > kMostBlockTokens || sections > kMostSections ||
      begin > (1U << 30) || size != header_size(tokens, sections))
    return damaged(Damage::header);
  if (bytes.size() < size)
    return std::unexpected(HeaderNeeds{size, Damage::header});

  header.kind = static_cast<NodeKind>(kind);
  header.begin = static_cast<int>(begin);
  header.tokens = in.list<Token>(tokens);
  for (std::uint32_t i = 0; i < sections; ++i) {
    Section section;
    section.kind = in.get<std::uint32_t>();
    in.get<std::uint32_t>();
    section.offset = in.get<std::uint64_t>();
    section.size = in.get<std::uint64_t>();
    section.checksum = in.get<Checksum>();
    header.sections.push_back(section);
  }
  const bool sound = in.get<Checksum>() == checksum(bytes.first(size - sizeof(Checksum)));
  if (!sound || !fit_the_kind(header) || !are_in_order(header) || !std::isfinite(header.seconds) ||
      node_key(header.kind, header.parent, header.tokens) != header.key)
    return damaged(Damage::header);
  return header;
}

std::vector<std::byte> with_parent(std::span<const std::byte> header, const BlockKey& parent) {
  constexpr std::size_t kSize = 12;
  constexpr std::size_t kKey = 48;
  constexpr std::size_t kParent = 80;
  std::vector<std::byte> bytes(header.begin(), header.end());
  const auto read = read_header(header);
  if (!read)
    throw std::logic_error("a header that was not read before");
  const BlockKey key = node_key(read->kind, parent, read->tokens);
  std::memcpy(bytes.data() + kKey, key.bytes.data(), key.bytes.size());
  std::memcpy(bytes.data() + kParent, parent.bytes.data(), parent.bytes.size());
  std::uint32_t size = 0;
  std::memcpy(&size, bytes.data() + kSize, sizeof size);
  const Checksum sum = checksum(std::span(bytes).first(size - sizeof(Checksum)));
  std::memcpy(bytes.data() + size - sizeof sum, sum.data(), sum.size());
  return bytes;
}

struct SectionCheck::State {
  blake3_hasher hasher;
  std::uint64_t size = 0;
};

SectionCheck::SectionCheck() : state_(std::make_unique<State>()) {
  blake3_hasher_init(&state_->hasher);
}

SectionCheck::~SectionCheck() = default;

void SectionCheck::add(std::span<const std::byte> bytes) {
  blake3_hasher_update(&state_->hasher, bytes.data(), bytes.size());
  state_->size += bytes.size();
}

bool SectionCheck::agrees(const Section& section) const {
  Checksum sum;
  blake3_hasher_finalize(&state_->hasher, sum.data(), sum.size());
  return state_->size == section.size && sum == section.checksum;
}

bool is_sound(const Section& section, std::span<const std::byte> bytes) {
  SectionCheck check;
  check.add(bytes);
  return check.agrees(section);
}

} // namespace anyclaude::kv
