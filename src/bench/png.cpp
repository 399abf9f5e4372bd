#include "bench/png.h"

#include "launch/captured_process.h"
#include "launch/server_kind.h"

#include <chrono>
#include <format>
#include <fstream>
#include <string_view>

namespace anyclaude::bench {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kProgram = "rsvg-convert";
constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

} // namespace

std::expected<fs::path, std::string> find_png_program() {
  fs::path program = launch::find_program(kProgram);
  if (program.empty())
    return std::unexpected(
        std::format("a chart as PNG is drawn by {}, which is not in PATH: `apt install "
                    "librsvg2-bin` or `brew install librsvg`; --svg needs nothing",
                    kProgram));
  return program;
}

std::expected<std::string, std::string> png_of(const std::string& svg, const fs::path& program,
                                               const fs::path& folder) {
  const fs::path source = folder / "chart.svg";
  std::ofstream out(source, std::ios::binary | std::ios::trunc);
  out << svg << std::flush;
  if (!out)
    return std::unexpected(std::format("cannot write {}", source.native()));
  auto drawn = launch::run_captured(
      {.command = {program.native(), {"--zoom", "2", "--format", "png", source.native()}, {}},
       .working_directory = folder,
       .timeout = std::chrono::seconds(60),
       .while_running = {}});
  if (!drawn)
    return std::unexpected(std::format("{}: {}", program.native(), drawn.error()));
  if (drawn->status != 0 || !drawn->output.starts_with(kSignature))
    return std::unexpected(std::format("{} could not draw the chart (status {}): {}",
                                       program.native(), drawn->status, drawn->errors));
  return std::move(drawn->output);
}

} // namespace anyclaude::bench
