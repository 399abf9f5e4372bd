#include "kv/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace anyclaude::kv {
namespace fs = std::filesystem;

namespace {

constexpr std::array<char, 8> kMagic = {'a', 'c', 'k', 'v', 'p', 'a', 'c', 'k'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kMostText = 1U << 16;
constexpr std::uint32_t kMostBlocks = 1U << 20;
constexpr std::uint64_t kMostHeaders = std::uint64_t{1} << 31;

struct Fixed { // as it stands in the file
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t fingerprint_bytes = 0;
  std::uint32_t model_bytes = 0;
  std::uint32_t blocks = 0;
  std::uint64_t header_bytes = 0; // with a length of 4 bytes in front of each
};
static_assert(sizeof(Fixed) == 32);

template <class T>
void append(std::vector<std::byte>& bytes, const T& value) {
  const auto more = std::as_bytes(std::span(&value, 1));
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void append_bytes(std::vector<std::byte>& bytes, std::span<const std::byte> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

bool write(std::ofstream& out, std::span<const std::byte> bytes) {
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  return out.good();
}

/// Whether all of `bytes` could be filled.
bool read(std::ifstream& in, std::span<std::byte> bytes) {
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return in.good() || (in.eof() && std::cmp_equal(in.gcount(), bytes.size()));
}

std::unexpected<std::string> fault(const fs::path& file, const std::string& what) {
  return std::unexpected(std::format("{}: {}", file.native(), what));
}

std::vector<std::byte> file_bytes(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  std::vector<std::byte> bytes(in ? fs::file_size(file, error) : 0);
  return in && read(in, bytes) ? bytes : std::vector<std::byte>();
}

/// A block file's header and what follows it; nothing where the file is not sound.
struct FileParts {
  std::vector<std::byte> bytes;
  std::span<const std::byte> header, sections;
};
std::optional<FileParts> sound_parts(const ModelBlocks::Block& block) {
  FileParts parts{file_bytes(block.file), {}, {}};
  const auto header = read_header(parts.bytes);
  if (!header || header->key != block.header.key || header->file_size() != parts.bytes.size())
    return std::nullopt;
  for (const Section& section : header->sections)
    if (!is_sound(section, std::span(parts.bytes).subspan(section.offset, section.size)))
      return std::nullopt;
  const std::size_t size = parts.bytes.size() - header->section_bytes();
  parts.header = std::span(parts.bytes).first(size);
  parts.sections = std::span(parts.bytes).subspan(size);
  return parts;
}

/// Parents come first; what has nothing in front of it is of no use to anybody.
std::vector<const ModelBlocks::Block*> chosen(const ModelBlocks& model, bool conversations) {
  std::vector<const ModelBlocks::Block*> blocks;
  for (const auto& [key, block] : model.blocks)
    if (conversations || block.use.is_stable)
      blocks.push_back(&block);
  std::ranges::sort(blocks, {}, [](const ModelBlocks::Block* block) {
    return std::tuple(block->header.begin, block->header.end(), block->header.key);
  });
  std::set<BlockKey> reached;
  std::vector<const ModelBlocks::Block*> useful;
  for (const auto* block : blocks)
    if (block->header.begin == 0 || reached.contains(block->header.parent)) {
      reached.insert(block->header.key);
      useful.push_back(block);
    }
  return useful;
}

} // namespace

std::expected<PackWritten, std::string> write_pack(const fs::path& file, const ModelBlocks& model,
                                                   bool conversations, const SigningKey& key,
                                                   const Progress& progress) {
  const auto blocks = chosen(model, conversations);
  std::vector<std::byte> headers;
  for (const auto* block : blocks) {
    const auto header = file_header(block->file);
    if (!header)
      return fault(block->file, std::string(to_string(header.error())) +
                                    "; `anyclaude cache verify --repair` removes what is damaged");
    append(headers, static_cast<std::uint32_t>(header->size()));
    append_bytes(headers, *header);
  }
  Fixed fixed;
  fixed.fingerprint_bytes = static_cast<std::uint32_t>(model.about.fingerprint.size());
  fixed.model_bytes = static_cast<std::uint32_t>(model.about.model.size());
  fixed.blocks = static_cast<std::uint32_t>(blocks.size());
  fixed.header_bytes = headers.size();
  std::vector<std::byte> front;
  append(front, fixed);
  append_bytes(front, std::as_bytes(std::span(model.about.fingerprint)));
  append_bytes(front, std::as_bytes(std::span(model.about.model)));
  append_bytes(front, headers);
  append(front, public_key(key));
  append(front, sign(key, front));

  const fs::path pending = file.native() + ".partial";
  ::close(::open(pending.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  std::ofstream out(pending, std::ios::binary | std::ios::trunc);
  const auto failed = [&](const fs::path& where, const std::string& what) {
    out.close();
    ::unlink(pending.c_str());
    return fault(where, what);
  };
  if (!out || !write(out, front))
    return failed(file, std::strerror(errno));
  PackWritten written{blocks.size(), front.size()};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto parts = sound_parts(*blocks[i]);
    if (!parts)
      return failed(blocks[i]->file,
                    "is damaged or has gone; run `anyclaude cache verify --repair` "
                    "and export again");
    if (!write(out, parts->sections))
      return failed(file, std::strerror(errno));
    written.bytes += parts->sections.size();
    if (progress)
      progress(static_cast<double>(i + 1) / static_cast<double>(blocks.size()));
  }
  out.close();
  if (!out || ::rename(pending.c_str(), file.c_str()) != 0)
    return failed(file, std::strerror(errno));
  return written;
}

std::expected<PackManifest, std::string> read_manifest(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return fault(file, std::strerror(errno));
  Fixed fixed;
  if (!read(in, std::as_writable_bytes(std::span(&fixed, 1))) || fixed.magic != kMagic)
    return fault(file, "is not a file of `anyclaude cache export`");
  if (fixed.version != kVersion)
    return fault(file, std::format("is of format version {}, this program reads {}", fixed.version,
                                   kVersion));
  std::error_code error;
  const std::uint64_t size = fs::file_size(file, error);
  if (error || fixed.fingerprint_bytes > kMostText || fixed.model_bytes > kMostText ||
      fixed.blocks > kMostBlocks || fixed.header_bytes > std::min(kMostHeaders, size))
    return fault(file, "is damaged");
  PackManifest manifest;
  std::vector<std::byte> front;
  append(front, fixed);
  const std::size_t signed_bytes = front.size() + fixed.fingerprint_bytes + fixed.model_bytes +
                                   fixed.header_bytes + manifest.signer.size();
  const std::size_t begun = front.size();
  front.resize(signed_bytes);
  Signature signature{};
  if (!read(in, std::span(front).subspan(begun)) ||
      !read(in, std::as_writable_bytes(std::span(signature))))
    return fault(file, "is cut off");
  std::memcpy(manifest.signer.data(), front.data() + signed_bytes - manifest.signer.size(),
              manifest.signer.size());
  if (!is_signed_by(manifest.signer, signature, front))
    return fault(file, "is damaged, or was changed after it was signed");

  std::span<const std::byte> rest(front);
  rest = rest.subspan(sizeof fixed);
  const auto take = [&rest](std::size_t count) {
    const auto taken = rest.first(count);
    rest = rest.subspan(count);
    return taken;
  };
  const auto text = [&take](std::size_t count) {
    const auto taken = take(count);
    return std::string(reinterpret_cast<const char*>(taken.data()), taken.size());
  };
  manifest.fingerprint = text(fixed.fingerprint_bytes);
  manifest.model = text(fixed.model_bytes);
  manifest.sections_at = signed_bytes + signature.size();
  const BlockKey fingerprint = fingerprint_key(manifest.fingerprint);
  auto headers = take(fixed.header_bytes);
  for (std::uint32_t i = 0; i < fixed.blocks; ++i) {
    std::uint32_t length = 0;
    if (headers.size() < sizeof length)
      return fault(file, "contradicts itself");
    std::memcpy(&length, headers.data(), sizeof length);
    headers = headers.subspan(sizeof length);
    if (headers.size() < length)
      return fault(file, "contradicts itself");
    PackManifest::Record record;
    record.header.assign(headers.begin(), headers.begin() + length);
    headers = headers.subspan(length);
    auto header = read_header(record.header);
    if (!header)
      return fault(file, std::format("block {} {}", i + 1, to_string(header.error().damage)));
    if (header->fingerprint != fingerprint ||
        header->file_size() - header->section_bytes() != record.header.size())
      return fault(file, "contradicts itself");
    record.block = std::move(*header);
    manifest.records.push_back(std::move(record));
  }
  return manifest;
}

PackRead add_pack(const fs::path& file, const PackManifest& manifest, const BlockFiles& files,
                  const std::string& tenant, const Progress& progress) {
  PackRead result;
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(manifest.sections_at));
  const BlockKey root = root_key(files.salt(), manifest.fingerprint, tenant);
  std::unordered_map<BlockKey, BlockKey, BlockKeyHash> keys; // theirs to ours
  std::vector<std::byte> sections;
  std::size_t number = 0;
  for (const PackManifest::Record& record : manifest.records) {
    ++number;
    const BlockHeader& theirs = record.block;
    std::error_code error;
    const std::uint64_t size = theirs.section_bytes();
    if (size > fs::file_size(file, error)) { // before memory is asked for
      result.problem = std::format("the file is cut off at block {}", number);
      return result;
    }
    sections.resize(size);
    if (!read(in, sections)) {
      result.problem = std::format("the file is cut off at block {}", number);
      return result;
    }
    std::size_t at = 0;
    for (const Section& section : theirs.sections) {
      if (!is_sound(section, std::span(sections).subspan(at, section.size))) {
        result.problem = std::format("block {} is damaged", number);
        return result;
      }
      at += section.size;
    }
    const auto parent = keys.find(theirs.parent);
    if (theirs.begin > 0 && parent == keys.end()) {
      result.problem = std::format("block {} has nothing in front of it", number);
      return result;
    }
    const auto header = with_parent(record.header, theirs.begin > 0 ? parent->second : root);
    const BlockKey key = read_header(header)->key;
    keys[theirs.key] = key;
    if (files.has(key)) {
      ++result.known;
    } else if (const auto added = files.add(key, header, sections); !added) {
      result.problem = std::format("{}: {}", files.folder().native(), std::strerror(added.error()));
      return result;
    } else {
      ++result.added;
      result.bytes += header.size() + sections.size();
    }
    if (progress)
      progress(static_cast<double>(number) / static_cast<double>(manifest.records.size()));
  }
  return result;
}

} // namespace anyclaude::kv
