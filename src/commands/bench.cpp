#include "commands/bench.h"

#include "bench/chart.h"
#include "bench/png.h"
#include "bench/report.h"
#include "commands/bench_measurement.h"
#include "commands/tell.h"
#include "demo/demo_model.h"
#include "engine/gguf_info.h"
#include "engine/model.h"

#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

/// "-" is standard output. The error says why the file could not be written.
std::expected<void, std::string> write(const std::string& name, const std::string& text) {
  if (name.empty())
    return {};
  if (name == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
  }
  const fs::path file = name;
  std::error_code ignored;
  if (file.has_parent_path())
    fs::create_directories(file.parent_path(), ignored);
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text << std::flush;
  if (!out)
    return std::unexpected(std::format("cannot write {}", file.native()));
  return {};
}

int compare(const std::vector<std::string>& files) {
  const auto a = bench::read_result(files.at(0));
  if (!a)
    return fail(a.error());
  const auto b = bench::read_result(files.at(1));
  if (!b)
    return fail(b.error());
  write_out(bench::comparison(*a, *b));
  return 0;
}

/// `program` draws it; empty where none is wanted.
std::expected<void, std::string> write_png(const BenchOptions& options, const std::string& svg,
                                           const fs::path& program, const launch::Paths& paths) {
  if (program.empty())
    return {};
  const BenchFolder folder(paths.cache);
  const auto png = bench::png_of(svg, program, folder.path());
  return png ? write(options.png, *png) : std::unexpected(png.error());
}

std::expected<bench::Result, std::string> measure(const BenchOptions& options,
                                                  const launch::Paths& paths) {
  const BenchFolder folder(paths.cache);
  if (!folder.exists())
    return std::unexpected("cannot make a folder in " + paths.cache.native());
  const std::string home = folder.folder("anyclaude").native();
  const auto own = launch::prepare_paths([&home](const char* name) -> std::optional<std::string> {
    return std::string_view(name) == "ANYCLAUDE_HOME" ? std::optional(home) : std::nullopt;
  });
  if (!own)
    return std::unexpected(own.error());
  BenchMeasurement measurement(options, folder, *own);
  return measurement.run();
}

} // namespace

int run_bench(const BenchOptions& options, const launch::Paths& paths) {
  if (!options.compare.empty())
    return compare(options.compare);
  const auto png_program =
      options.png.empty() ? std::expected<fs::path, std::string>() : bench::find_png_program();
  if (!png_program)
    return fail(png_program.error()); // before minutes of measuring
  auto result = measure(options, paths);
  if (!result)
    return fail(result.error());
  const bool is_local = options.daemon.mode == "local";
  if (is_local)
    result->machine.accelerators = engine::accelerators();
  const auto info = engine::read_gguf_info(is_local ? options.daemon.model
                                                    : fs::path(options.daemon.server_model));
  result->is_demo = info && demo::is_demo_model(info->name);
  const bool is_for_a_program =
      options.json == "-" || options.markdown == "-" || options.svg == "-" || options.png == "-";
  if (!is_for_a_program)
    write_out("\n" + bench::table(*result));
  const std::string chart = bench::chart_svg(*result);
  for (const auto& written :
       {write(options.json, bench::to_json(*result)),
        write(options.markdown, bench::markdown(*result)), write(options.svg, chart),
        write_png(options, chart, *png_program, paths)})
    if (!written)
      return fail(written.error());
  if (const auto* follow_up = result->row("followup"); follow_up && follow_up->reused_tokens == 0)
    return fail("a follow-up reused nothing");
  return 0;
}

} // namespace anyclaude::commands
