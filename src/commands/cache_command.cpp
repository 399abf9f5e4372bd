#include "commands/cache_command.h"

#include <CLI/CLI.hpp>

namespace anyclaude::commands {

void add_cache_command(CLI::App& app, CacheOptions& options) {
  CLI::App& cache =
      *app.add_subcommand("cache", "What is kept on the disk of prompts that were computed");
  cache.require_subcommand(1);
  cache.add_subcommand("stat", "How much there is, what it saved, and a picture of what shares it");
  cache.add_subcommand("ls", "One line for each prefix: its tokens, blocks, bytes and last use");
  cache.add_subcommand("verify", "Read every block and check every byte")
      ->add_flag("--repair", options.repair, "Remove what is damaged");
  CLI::App& prune = *cache.add_subcommand("prune", "Remove what was used least lately");
  prune.add_option("--to", options.prune_bytes, "Until so much is left, as 20GiB")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("SIZE");
  prune
      .add_option("--older-than", options.prune.older_than, "What was not used for 90m, 12h or 30d")
      ->type_name("AGE");
  cache.add_subcommand("clear", "Remove all blocks of all models, and all remembered answers");
  CLI::App& warm = *cache.add_subcommand(
      "warm", "Compute what Claude Code begins with before it is needed: runs it once, headless");
  warm.add_option("--model", options.model, "GGUF file of the model")->type_name("FILE");
  warm.add_option("--claude", options.warm.claude, "Claude Code's program [found in PATH]")
      ->type_name("FILE");
  CLI::App& exporting = *cache.add_subcommand(
      "export", "Write tools and system text of a model to one signed file, for other machines");
  exporting.add_option("FILE", options.exporting.file, "The file to write")->required();
  exporting
      .add_option("--model", options.exporting.model, "The model's name, where several are kept")
      ->type_name("NAME");
  exporting.add_flag("--include-conversations", options.exporting.conversations,
                     "Everything: whoever has the file can read what was said");
  CLI::App& importing = *cache.add_subcommand(
      "import",
      "Add such a file. Its maker can make the model believe, and so do, anything: it has "
      "to be signed with a key that you trust");
  importing.add_option("FILE", options.importing.file, "The file to read")->required();
  importing.add_flag("--trust", options.importing.trusts, "Whoever signed it, this once");
  cache.add_subcommand("key", "Print the key that your exports are signed with");
  cache.add_subcommand("trust", "Trust what is signed with a key from now on")
      ->add_option("KEY", options.key,
                   "A key as `anyclaude cache key` prints it, or a file with one")
      ->required();
}

int run_cache_command(const CLI::App& cache, CacheOptions options, const launch::Paths& paths) {
  if (cache.got_subcommand("stat"))
    return print_cache_totals(paths);
  if (cache.got_subcommand("ls"))
    return list_cache(paths);
  if (cache.got_subcommand("verify"))
    return verify_cache(paths, options.repair);
  if (const CLI::App* prune = cache.get_subcommand("prune"); prune->parsed()) {
    if (prune->count("--to") > 0)
      options.prune.bytes = options.prune_bytes;
    return prune_cache(paths, options.prune);
  }
  if (cache.got_subcommand("warm"))
    return warm_cache(paths, options.warm);
  if (cache.got_subcommand("export"))
    return export_cache(paths, options.exporting);
  if (cache.got_subcommand("import"))
    return import_cache(paths, options.importing);
  if (cache.got_subcommand("key"))
    return print_cache_key(paths);
  if (cache.got_subcommand("trust"))
    return trust_cache_key(paths, options.key);
  return clear_cache(paths);
}

} // namespace anyclaude::commands
