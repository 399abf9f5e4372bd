#include "commands/cache.h"
#include "commands/cache_store.h"
#include "commands/progress_line.h"
#include "kv/pack.h"
#include "text/kept_key.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <system_error>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

fs::path own_key_file(const launch::Paths& paths) {
  return paths.config_file.parent_path() / "cache.key";
}
fs::path trusted_keys_file(const launch::Paths& paths) {
  return paths.config_file.parent_path() / "trusted-keys";
}

std::expected<kv::SigningKey, std::string> own_key(const launch::Paths& paths) {
  std::error_code ignored; // the key's own error says more
  fs::create_directories(paths.config_file.parent_path(), ignored);
  return text::kept_key(own_key_file(paths));
}

/// A key a line; what does not begin like one is a comment.
bool is_trusted(const launch::Paths& paths, const kv::PublicKey& key) {
  std::error_code error;
  if (fs::exists(own_key_file(paths), error))
    if (const auto own = own_key(paths); own && kv::public_key(*own) == key)
      return true;
  std::ifstream file(trusted_keys_file(paths));
  for (std::string line; std::getline(file, line);)
    if (const auto trusted = kv::parse_public_key(line.substr(0, line.find(' '))))
      if (*trusted == key)
        return true;
  return false;
}

/// The one that is meant among those that are kept.
std::expected<const kv::ModelBlocks*, std::string>
choose_model(const std::vector<kv::ModelBlocks>& models, const std::string& name) {
  std::vector<const kv::ModelBlocks*> fitting;
  std::string names;
  for (const kv::ModelBlocks& model : models) {
    if (model.about.fingerprint.empty() || model.blocks.empty())
      continue;
    names += (names.empty() ? "" : ", ") + model.about.model;
    if (name.empty() || model.about.model == name)
      fitting.push_back(&model);
  }
  if (fitting.size() == 1)
    return fitting.front();
  if (fitting.empty())
    return std::unexpected(names.empty()
                               ? "nothing is kept that could be exported; ask something first"
                               : "there is nothing of a model " + name + "; there is " + names);
  return std::unexpected("which model? say --model NAME; there is " + names);
}

} // namespace

int export_cache(const launch::Paths& paths, const ExportOptions& options) {
  const auto models = kv::read_models(prefix_folder(paths));
  const auto model = choose_model(models, options.model);
  if (!model)
    return fail(model.error());
  if (!options.conversations && std::ranges::none_of((*model)->blocks, [](const auto& one) {
        return one.second.use.is_stable;
      }))
    return fail("of what is kept of " + (*model)->about.model +
                ", nothing is known to be tools and system text alone; ask something "
                "through Claude Code, or run `anyclaude cache warm`");
  const auto key = own_key(paths);
  if (!key)
    return fail(key.error());
  ProgressLine line("writing " + options.file.native(), 2s);
  const auto written = kv::write_pack(options.file, **model, options.conversations, *key,
                                      [&line](double part) { line.show(part); });
  if (!written)
    return fail(written.error());
  print("{} blocks of {}, {}, signed with {}\n", written->blocks, (*model)->about.model,
        human_bytes(written->bytes), kv::to_text(kv::public_key(*key)));
  if (options.conversations)
    print("conversations are in it: whoever has the file can read them\n");
  return 0;
}

int import_cache(const launch::Paths& paths, const ImportOptions& options) {
  const auto manifest = kv::read_manifest(options.file);
  if (!manifest)
    return fail(manifest.error());
  if (!options.trusts && !is_trusted(paths, manifest->signer))
    return fail(
        options.file.native() + " is signed with " + kv::to_text(manifest->signer) +
        ", which you do not trust. Whoever made a cache can make the model believe, and so do, "
        "anything. If you know the maker: `anyclaude cache trust` with that key, or --trust once");
  const auto models = kv::read_models(prefix_folder(paths));
  const auto known = std::ranges::find(models, manifest->fingerprint,
                                       [](const auto& model) { return model.about.fingerprint; });
  if (known == models.end()) {
    std::string here;
    for (const kv::ModelBlocks& model : models)
      here += "\n  here:  " + model.about.model + " " + model.about.fingerprint;
    return fail("the file is of another model, or was made by another version of the "
                "engine:\n  file:  " +
                manifest->model + " " + manifest->fingerprint + here +
                "\nIf it is yours, start it once, so that it is known here");
  }
  const auto files =
      kv::BlockFiles::open(prefix_folder(paths), manifest->fingerprint, known->about.model);
  if (!files)
    return fail(files.error());
  ProgressLine line("reading " + options.file.native(), 2s);
  kv::PackRead all;
  for (const std::string& tenant : options.tenants) {
    const kv::PackRead read = kv::add_pack(options.file, *manifest, **files, tenant,
                                           [&line](double part) { line.show(part); });
    all.added += read.added;
    all.known += read.known;
    all.bytes += read.bytes;
    all.problem = read.problem;
  }
  (*files)->index().flush();
  if (all.added > 0)
    tell_store_changed(paths, "files");
  print("{} blocks of {} were added, {}; {} were here before\n", all.added, manifest->model,
        human_bytes(all.bytes), all.known);
  return all.problem.empty() ? 0 : fail(options.file.native() + ": " + all.problem);
}

int print_cache_key(const launch::Paths& paths) {
  const auto key = own_key(paths);
  if (!key)
    return fail(key.error());
  print("{}\n", kv::to_text(kv::public_key(*key)));
  return 0;
}

int trust_cache_key(const launch::Paths& paths, const std::string& key) {
  std::string line = key;
  if (std::error_code error; fs::is_regular_file(key, error))
    std::getline(std::ifstream(key) >> std::ws, line);
  const auto parsed = kv::parse_public_key(line.substr(0, line.find_first_of(" \r")));
  if (!parsed)
    return fail(key + ": " + parsed.error());
  if (is_trusted(paths, *parsed)) {
    print("{} is trusted already\n", kv::to_text(*parsed));
    return 0;
  }
  const fs::path file = trusted_keys_file(paths);
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  std::ofstream out(file, std::ios::app);
  out << line << '\n';
  out.close();
  if (!out)
    return fail("cannot write to " + file.native());
  print("{} is trusted from now on ({})\n", kv::to_text(*parsed), file.native());
  return 0;
}

} // namespace anyclaude::commands
