#include "commands/model.h"

#include "commands/progress_line.h"
#include "commands/tell.h"
#include "engine/gguf_info.h"
#include "engine/projector_info.h"

#include <cstdio>
#include <format>
#include <string>
#include <string_view>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

void print_row(std::string_view name, const std::string& value) {
  print("{:<16} {}\n", name, value.empty() ? "not given" : value);
}

/// 1536 as "1.5 KiB".
std::string bytes(std::uint64_t number) {
  constexpr std::string_view kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(number);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit)
    value /= 1024;
  return unit == 0 ? std::format("{} bytes", number)
                   : std::format("{:.1f} {}", value, kUnits[unit]);
}

std::string parameters(std::uint64_t number) {
  if (number >= 1'000'000'000)
    return std::format("{:.1f} billion", static_cast<double>(number) / 1e9);
  return std::format("{:.1f} million", static_cast<double>(number) / 1e6);
}

std::string memory(const engine::GgufInfo& info) {
  switch (info.memory) {
  case engine::MemoryKind::full_attention:
    return "full attention";
  case engine::MemoryKind::sliding_window:
    return std::format("sliding window of {} tokens in some layers", info.sliding_window);
  case engine::MemoryKind::recurrent:
    return "recurrent";
  case engine::MemoryKind::hybrid:
    return std::format("hybrid: {} of {} layers have attention", info.attention_layers,
                       info.layers);
  }
  return {};
}

std::string template_abilities(const engine::GgufInfo& info) {
  if (info.chat_template.empty())
    return "none in the file: requests cannot be rendered";
  return std::format("tools: {}, thinking: {}", info.template_has_tools ? "yes" : "no",
                     info.template_has_thinking ? "yes" : "no");
}

/// What may be the model's projector; whether it fits is seen when it is loaded.
std::string images(const fs::path& model) {
  for (const fs::path& path : engine::projectors_beside(model))
    if (const auto projector = engine::read_projector_info(path))
      return std::format("through {} ({}, {}), if it fits", path.filename().native(),
                         projector->type, bytes(projector->file_bytes));
  return "not seen: there is no mmproj*.gguf beside it";
}

std::string list(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts)
    joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

} // namespace

int make_demo_model(demo::ModelOptions options, const fs::path& out) {
  {
    ProgressLine line("writing " + out.filename().string());
    options.progress = [&line](std::uint64_t done, std::uint64_t total) {
      line.show(static_cast<double>(done) / static_cast<double>(total));
    };
    if (const auto written = demo::write_demo_model(options, out); !written)
      return fail(written.error());
  }
  std::error_code ignored;
  std::fputs(std::format("{} ({})\n", out.native(), bytes(fs::file_size(out, ignored))).c_str(),
             stdout);
  std::fputs(options.random ? "Random weights: its answers mean nothing.\n"
                            : "A stand-in: it says what its script says, at real speed.\n",
             stdout);
  return 0;
}

int make_demo_projector(const demo::ProjectorOptions& options, const fs::path& out) {
  if (const auto written = demo::write_demo_projector(options, out); !written)
    return fail(written.error());
  std::error_code ignored;
  std::fputs(std::format("{} ({})\n"
                         "Random weights: what a model sees through it means nothing.\n",
                         out.native(), bytes(fs::file_size(out, ignored)))
                 .c_str(),
             stdout);
  return 0;
}

int print_model_info(const fs::path& file) {
  if (const auto projector = engine::read_projector_info(file)) {
    print_row("file", std::format("{} ({})", file.native(), bytes(projector->file_bytes)));
    print_row("name", projector->name);
    print_row("projector", projector->type);
    std::fputs("This lets a model see images: put it beside the model, or name it with --mmproj.\n",
               stdout);
    return 0;
  }
  const auto info = engine::read_gguf_info(file);
  if (!info)
    return fail(info.error());
  print_row("file",
            std::format("{} ({}{})", file.native(), bytes(info->file_bytes),
                        info->split_count > 1 ? std::format(", the first of {}", info->split_count)
                                              : ""));
  print_row("name", info->name);
  print_row("architecture", info->architecture);
  print_row("parameters",
            std::format("{}, mostly {}", parameters(info->parameters), info->quantization));
  print_row("layers", std::format("{} x {}, {} heads, {} KV heads", info->layers, info->embedding,
                                  info->heads, info->kv_heads));
  print_row("context", std::format("{} tokens", info->context_tokens));
  print_row("memory", memory(*info));
  print_row("KV per token", std::format("{} at f16", bytes(info->kv_bytes_per_token)));
  print_row("tokenizer", std::format("{}, {} tokens", info->tokenizer, info->vocabulary));
  print_row("ends a turn", list(info->stop_tokens));
  print_row("chat template", template_abilities(*info));
  print_row("images", images(file));
  return 0;
}

} // namespace anyclaude::commands
