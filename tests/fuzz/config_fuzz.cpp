// Any bytes as config.toml: a configuration whose parts fit together, or an error that says where.
#include "commands/config.h"
#include "fuzz/fuzzing.h"

#include <set>

namespace {

using namespace anyclaude;
using fuzz::require;

void check(const commands::Config& config) {
  for (const auto& folder : config.excluded)
    require(folder.is_absolute());
  require(!config.model || config.model->is_absolute());
  require(!config.context_tokens || *config.context_tokens > 0);
  std::set<std::string> names;
  for (const auto& backend : config.backends) {
    require(names.insert(backend.name).second && !backend.kind.empty());
    require(backend.context_tokens >= 0 && config.backend(backend.name) == &backend);
    require(backend.kind != commands::kLocal || (!backend.model.empty() && backend.urls.empty()));
  }
  for (const auto& rule : config.routes.rules) {
    require(!rule.targets.empty());
    for (const auto& target : rule.targets)
      require(!target.backend.empty());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Scratch kScratch;
  static const auto kFile = kScratch.emptied() / "config.toml";
  fuzz::write_file(kFile, fuzz::Input(data, size).rest());
  const auto config = commands::read_config(kFile);
  if (config)
    check(*config);
  else
    require(config.error().starts_with(kFile.native() + ":"));
  return 0;
}
