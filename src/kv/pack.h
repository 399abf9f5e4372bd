#pragma once

#include "kv/block_files.h"
#include "kv/signature.h"
#include "kv/stored_model.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// Blocks of one model in one file, so that prefixes can be taken to other machines: who computed
/// them, signed; docs/cache-command.md says it byte by byte. Cells are numbers that a model takes
/// for what it has read: a pack can make a model believe anything, so its maker has to be trusted.
namespace anyclaude::kv {

/// Told how much of 1 is done; may be empty.
using Progress = std::function<void(double)>;

struct PackWritten {
  std::size_t blocks = 0;
  std::uint64_t bytes = 0;
};
/// Writes the model's blocks to `file`, which has its name only once it is complete (0600). Without
/// conversations only what is known to be tools and stable system text goes in. The error says what
/// is wrong with which file.
std::expected<PackWritten, std::string> write_pack(const std::filesystem::path& file,
                                                   const ModelBlocks& model, bool conversations,
                                                   const SigningKey& key,
                                                   const Progress& progress = {});

/// What a pack says of itself, checked against its signature.
struct PackManifest {
  std::string fingerprint; // of the model
  std::string model;       // its name
  PublicKey signer{};
  struct Record {
    std::vector<std::byte> header; // checked
    BlockHeader block;
  };
  std::vector<Record> records;   // a block's parent stands in front of it
  std::uint64_t sections_at = 0; // offset in the file
};
/// The error says what is wrong with the file: nothing of it can be used.
std::expected<PackManifest, std::string> read_manifest(const std::filesystem::path& file);

struct PackRead {
  std::size_t added = 0;
  std::size_t known = 0; // were there before
  std::uint64_t bytes = 0;
  std::string problem; // why the rest could not be added; empty: all are there
};
/// Adds a pack's blocks to the files of its model for one tenant, under keys made with the local
/// salt. Each is checked by itself, and there or not.
PackRead add_pack(const std::filesystem::path& file, const PackManifest& manifest,
                  const BlockFiles& files, const std::string& tenant,
                  const Progress& progress = {});

} // namespace anyclaude::kv
