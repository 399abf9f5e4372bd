#include "commands/cache.h"

#include "kv/block_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <format>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

template <class... Arguments>
void print(std::format_string<Arguments...> format, Arguments&&... arguments) {
  std::fputs(std::format(format, std::forward<Arguments>(arguments)...).c_str(), stdout);
}

std::string mebibytes(std::uint64_t bytes) {
  return std::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string last_use(const fs::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0)
    return "gone";
  std::tm local{};
  ::localtime_r(&status.st_mtim.tv_sec, &local);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local));
  return text;
}

struct Stored {
  kv::BlockHeader header;
  fs::path file;
  std::uint64_t bytes = 0;
};

/// A model's blocks by their keys, without those that cannot be read.
std::map<kv::BlockKey, Stored> blocks_of(const kv::StoredModel& model) {
  std::map<kv::BlockKey, Stored> blocks;
  for (const auto& [file, bytes] : model.files)
    if (auto header = kv::read_block_header(file)) {
      const kv::BlockKey key = header->key;
      blocks[key] = {std::move(*header), file, bytes};
    }
  return blocks;
}

/// The prefixes of a model that nothing goes on behind, longest first.
void list_prefixes(const kv::StoredModel& model) {
  const auto blocks = blocks_of(model);
  std::set<kv::BlockKey> parents;
  for (const auto& [key, block] : blocks)
    parents.insert(block.header.parent);
  std::vector<const Stored*> ends;
  for (const auto& [key, block] : blocks)
    if (!parents.contains(key))
      ends.push_back(&block);
  std::ranges::sort(ends, std::greater{}, [](const Stored* end) { return end->header.end(); });
  for (const Stored* end : ends) {
    std::uint64_t bytes = 0;
    double seconds = 0;
    int count = 0;
    for (const Stored* block = end; block; ++count) {
      bytes += block->bytes;
      seconds += block->header.seconds;
      const auto parent = blocks.find(block->header.parent);
      block = parent == blocks.end() ? nullptr : &parent->second;
    }
    print("  {:>8} tokens {:>5} blocks {:>12} {:>8.1f} s to compute, used {}\n", end->header.end(),
          count, mebibytes(bytes), seconds, last_use(end->file));
  }
}

std::string name_of(const kv::StoredModel& model) {
  return model.folder.filename().native();
}

} // namespace

int print_cache_totals(const fs::path& folder) {
  const auto models = kv::stored_models(folder);
  std::uint64_t all = 0;
  std::size_t files = 0;
  for (const kv::StoredModel& model : models) {
    std::uint64_t bytes = 0;
    for (const auto& [file, size] : model.files)
      bytes += size;
    double seconds = 0;
    for (const auto& [key, block] : blocks_of(model))
      seconds += block.header.seconds;
    print("model {}: {} blocks, {}, {:.1f} s to compute\n", name_of(model), model.files.size(),
          mebibytes(bytes), seconds);
    all += bytes;
    files += model.files.size();
  }
  std::error_code error;
  const auto space = fs::space(folder, error);
  print("{} blocks of {} models in {}: {}{}\n", files, models.size(), folder.native(),
        mebibytes(all), error ? std::string() : "; " + mebibytes(space.available) + " are free");
  return 0;
}

int list_cache(const fs::path& folder) {
  for (const kv::StoredModel& model : kv::stored_models(folder)) {
    print("model {}\n", name_of(model));
    list_prefixes(model);
  }
  return 0;
}

int verify_cache(const fs::path& folder, bool repair) {
  std::size_t sound = 0;
  std::size_t damaged = 0;
  std::size_t removed = 0;
  std::vector<std::byte> cells;
  for (const kv::StoredModel& model : kv::stored_models(folder))
    for (const auto& [file, bytes] : model.files) {
      auto block = kv::read_block_file(file, nullptr, nullptr, std::move(cells));
      cells = block ? std::move(block->cells) : std::vector<std::byte>();
      const bool misplaced = block && file.stem().native() != block->key.hex();
      if (block && !misplaced) {
        ++sound;
        continue;
      }
      ++damaged;
      const auto damage = misplaced ? kv::Damage::misplaced : block.error();
      std::error_code error;
      const bool gone = repair && fs::remove(file, error);
      removed += gone ? 1 : 0;
      print("{} {}{}\n", file.native(), kv::to_string(damage), gone ? ": removed" : "");
    }
  print("{} blocks are sound, {} damaged{}\n", sound, damaged,
        removed > 0 ? std::format(", {} removed", removed) : std::string());
  return damaged > removed ? 1 : 0;
}

int clear_cache(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::size_t files = 0;
  for (const kv::StoredModel& model : kv::stored_models(folder)) {
    for (const auto& [file, size] : model.files) {
      bytes += size;
      ++files;
    }
    std::error_code error;
    fs::remove_all(model.folder, error);
    if (error) {
      std::fputs(std::format("anyclaude: {}: {}\n", model.folder.native(), error.message()).c_str(),
                 stderr);
      return 1;
    }
  }
  print("removed {} blocks, {}\n", files, mebibytes(bytes));
  return 0;
}

} // namespace anyclaude::commands
