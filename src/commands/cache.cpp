#include "commands/cache.h"

#include "commands/cache_store.h"
#include "commands/cache_tree.h"
#include "commands/progress_line.h"
#include "kv/stored_model.h"
#include "prompt/replay_store.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

std::string name_of(const kv::ModelBlocks& model) {
  return model.about.model.empty() ? model.folder.filename().native() : model.about.model;
}

double seconds_of(const kv::ModelBlocks& model) {
  double seconds = 0;
  for (const auto& [key, block] : model.blocks)
    seconds += block.header.seconds;
  return seconds;
}

double percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : 0;
}

void print_model(const kv::ModelBlocks& model) {
  print("model {}: {} blocks, {}, {} to compute\n", name_of(model), model.blocks.size(),
        human_bytes(model.bytes()), human_seconds(seconds_of(model)));
  const kv::StoreTotals& totals = model.totals;
  if (totals.requests > 0)
    print(
        "  {} requests found {:.0f}% of their {} prompt tokens computed; {} saved\n",
        totals.requests,
        percent(static_cast<double>(totals.found_tokens), static_cast<double>(totals.asked_tokens)),
        totals.asked_tokens, human_seconds(totals.saved_seconds));
  if (!model.damaged.empty())
    print("  {} files cannot be used; `anyclaude cache verify` says why\n", model.damaged.size());
  write_out(picture_of(model));
}

void print_daemon(const Json& daemon) {
  const auto number = [&daemon](const char* key) { return daemon.value(key, std::uint64_t{0}); };
  print("the running daemon ({}), since its start: {} requests, {:.0f}% of {} tokens found, {} "
        "saved; {} more in memory; {}\n",
        daemon.value("model", ""), number("requests"),
        percent(static_cast<double>(number("found_tokens")),
                static_cast<double>(number("asked_tokens"))),
        number("asked_tokens"), human_seconds(daemon.value("saved_seconds", 0.0)),
        human_bytes(number("memory_bytes")),
        number("unstored") == 0 ? "everything is on the disk"
                                : "not everything is on the disk yet");
}

/// The prefixes of a model that nothing goes on behind, longest first.
void list_prefixes(const kv::ModelBlocks& model) {
  using Block = kv::ModelBlocks::Block;
  std::set<kv::BlockKey> parents;
  for (const auto& [key, block] : model.blocks)
    parents.insert(block.header.parent);
  std::vector<const Block*> ends;
  for (const auto& [key, block] : model.blocks)
    if (!parents.contains(key))
      ends.push_back(&block);
  std::ranges::sort(ends, std::greater{}, [](const Block* end) { return end->header.end(); });
  for (const Block* end : ends) {
    std::uint64_t bytes = 0;
    double seconds = 0;
    int count = 0;
    for (const Block* block = end; block; ++count) {
      bytes += block->bytes;
      seconds += block->header.seconds;
      const auto parent = model.blocks.find(block->header.parent);
      block = parent == model.blocks.end() ? nullptr : &parent->second;
    }
    print("  {:>8} tokens {:>5} blocks {:>12} {:>8.1f} s to compute, {:>5} uses, last {}\n",
          end->header.end(), count, human_bytes(bytes), seconds, end->use.hits,
          human_time(end->use.last_used));
  }
}

/// Seconds; nothing where it is no time.
std::optional<std::int64_t> parse_age(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [behind, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0 || number > 100'000 || behind + 1 != end)
    return std::nullopt;
  switch (*behind) {
  case 'm':
    return number * 60;
  case 'h':
    return number * 3600;
  case 'd':
    return number * 86'400;
  default:
    return std::nullopt;
  }
}

} // namespace

int print_cache_totals(const launch::Paths& paths) {
  const fs::path folder = prefix_folder(paths);
  const auto models = kv::read_models(folder);
  std::uint64_t all = 0;
  std::size_t files = 0;
  for (const kv::ModelBlocks& model : models) {
    print_model(model);
    all += model.bytes();
    files += model.blocks.size();
  }
  std::error_code error;
  const auto space = fs::space(folder, error);
  print("{} blocks of {} models in {}: {}{}\n", files, models.size(), folder.native(),
        human_bytes(all),
        error ? std::string() : "; " + human_bytes(space.available) + " are free");
  if (const auto replay = prompt::replay_totals(replay_folder(paths)))
    print("{} answers of {} conversations in {}: {}\n", replay->turns, replay->conversations,
          replay_folder(paths).native(), human_bytes(replay->bytes));
  if (const auto daemon = ask_store(paths))
    print_daemon(*daemon);
  return 0;
}

int list_cache(const launch::Paths& paths) {
  const auto models = kv::read_models(prefix_folder(paths));
  for (const kv::ModelBlocks& model : models) {
    print("model {}\n", name_of(model));
    list_prefixes(model);
  }
  if (models.empty())
    print("nothing is kept yet in {}\n", prefix_folder(paths).native());
  return 0;
}

int verify_cache(const launch::Paths& paths, bool repair) {
  std::size_t sound = 0;
  std::size_t damaged = 0;
  std::size_t removed = 0;
  const auto models = kv::stored_models(prefix_folder(paths));
  std::uint64_t all = 0;
  for (const kv::StoredModel& model : models)
    for (const auto& [file, bytes] : model.files)
      all += bytes;
  ProgressLine progress("checking", 2s);
  std::uint64_t read = 0;
  std::vector<std::byte> cells;
  for (const kv::StoredModel& model : models)
    for (const auto& [file, bytes] : model.files) {
      auto block = kv::read_block_file(file, nullptr, nullptr, std::move(cells));
      cells = block ? std::move(block->cells) : std::vector<std::byte>();
      read += bytes;
      progress.show(static_cast<double>(read) /
                    static_cast<double>(std::max<std::uint64_t>(all, 1)));
      const bool misplaced = block && file.stem().native() != block->key.hex();
      if (block && !misplaced) {
        ++sound;
        continue;
      }
      std::error_code error;
      if (!fs::exists(file, error)) // a running daemon has removed it meanwhile
        continue;
      ++damaged;
      const auto damage = misplaced ? kv::Damage::misplaced : block.error();
      // What cannot be read may be sound: the disk is to blame, and may be well again.
      const bool gone = repair && damage != kv::Damage::unreadable && fs::remove(file, error);
      removed += gone ? 1 : 0;
      print("{} {}{}\n", file.native(), kv::to_string(damage), gone ? ": removed" : "");
    }
  print("{} blocks are sound, {} damaged{}\n", sound, damaged,
        removed > 0 ? std::format(", {} removed", removed) : std::string());
  if (removed > 0)
    tell_store_changed(paths, "files");
  return damaged > removed ? 1 : 0;
}

int prune_cache(const launch::Paths& paths, const PruneOptions& options) {
  kv::PruneLimits limits;
  limits.bytes = options.bytes;
  if (!options.older_than.empty()) {
    const auto age = parse_age(options.older_than);
    if (!age)
      return fail("\"" + options.older_than +
                  "\" is no age; write minutes, hours or days, as 90m, 12h or 30d");
    limits.unused_since = std::chrono::duration_cast<std::chrono::seconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count() -
                          *age;
  }
  if (!limits.bytes && !limits.unused_since)
    return fail("say what may stay: --to SIZE, --older-than AGE, or both");
  const kv::Pruned pruned = kv::prune(kv::read_models(prefix_folder(paths)), limits);
  print("removed {} blocks, {}\n", pruned.blocks, human_bytes(pruned.bytes));
  if (pruned.blocks > 0)
    tell_store_changed(paths, "files");
  return 0;
}

int clear_cache(const launch::Paths& paths) {
  std::uint64_t bytes = 0;
  std::size_t files = 0;
  for (const kv::StoredModel& model : kv::stored_models(prefix_folder(paths))) {
    for (const auto& [file, size] : model.files) {
      bytes += size;
      ++files;
    }
    std::error_code error;
    fs::remove_all(model.folder, error);
    if (error) // a running daemon may have written between two steps
      fs::remove_all(model.folder, error);
    if (error)
      return fail(model.folder.native() + ": " + error.message());
  }
  const auto answers = prompt::clear_replay(replay_folder(paths));
  tell_store_changed(paths, "cleared");
  if (!answers)
    return fail(answers.error());
  print("removed {} blocks, {}, and {} answers\n", files, human_bytes(bytes), answers->turns);
  return 0;
}

} // namespace anyclaude::commands
