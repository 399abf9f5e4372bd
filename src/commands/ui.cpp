#include "commands/ui.h"

#include "commands/daemon.h"
#include "commands/tell.h"
#include "launch/captured_process.h"
#include "launch/control_client.h"
#include "launch/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <filesystem>
#include <format>
#include <string>
#include <utility>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

#ifdef __APPLE__
constexpr const char* kOpener = "/usr/bin/open";
#else
constexpr const char* kOpener = "/usr/bin/xdg-open";
#endif

bool has_desktop() {
#ifdef __APPLE__
  return true;
#else
  return std::getenv("DISPLAY") != nullptr || std::getenv("WAYLAND_DISPLAY") != nullptr;
#endif
}

/// A page that leads to `address`. Other users can read command lines, and the address has the
/// token in it, so the browser is given this file, which only its owner can read.
std::expected<fs::path, std::string> write_way(const fs::path& folder, const std::string& address) {
  const fs::path file = folder / "dashboard.html";
  const fs::path partial = folder / "dashboard.html.partial";
  const std::string html =
      std::format("<!doctype html><meta charset=\"utf-8\"><title>anyclaude</title>"
                  "<meta http-equiv=\"refresh\" content=\"0; url={0}\"><a href=\"{0}\">{1}</a>\n",
                  address, "anyclaude's dashboard");
  const launch::Descriptor out(
      ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out || std::cmp_not_equal(::write(out.get(), html.data(), html.size()), html.size()) ||
      ::rename(partial.c_str(), file.c_str()) != 0)
    return std::unexpected(std::format("cannot write {}: {}", file.native(), std::strerror(errno)));
  return file;
}

} // namespace

int open_dashboard(const launch::Paths& paths) {
  auto daemon =
      launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false});
  if (!daemon)
    return fail("no daemon is running; start one with `anyclaude` or `anyclaude serve`");
  const auto status = daemon->next_status(5s);
  if (!status || status->base_url.empty())
    return fail("the running daemon does not listen yet; try again soon");
  const std::string address = status->base_url + "/ui#token=" + status->token;
  std::puts(address.c_str());
  if (!has_desktop())
    return 0;
  const auto way = write_way(paths.runtime, address);
  if (!way)
    return fail(way.error());
  const auto opened = launch::run_captured({.command = {kOpener, {way->native()}, {}},
                                            .working_directory = paths.runtime,
                                            .timeout = 10s,
                                            .while_running = {}});
  if (!opened || opened->status != 0)
    return fail("no browser could be started; open the address above");
  return 0;
}

} // namespace anyclaude::commands
