#include "commands/doctor.h"

#include "anthropic/json_text.h"
#include "commands/daemon.h"
#include "commands/tell.h"
#include "launch/control_client.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <format>
#include <string>

namespace anyclaude::commands {

namespace {

using namespace std::chrono_literals;

/// One line, in quotes.
std::string quoted(const std::string& text) {
  return anthropic::json_text(Json(text));
}

std::string described(const Json& report) {
  const auto number = [&report](const char* key) { return report.value(key, std::int64_t{0}); };
  const std::int64_t tokens = number("tokens");
  const std::int64_t shared = number("shared");
  std::string text = std::format("{} tokens, {} of them as in an earlier prompt", tokens, shared);
  const std::string here = report.value("here", "");
  const std::string before = report.value("before", "");
  if (here.empty() && before.empty())
    return text + (shared == 0 ? "\n" : ", which it goes on\n");
  text += std::format("; they part in turn {} of {}\n", number("turn") + 1, number("turns"));
  text += "  behind  " + quoted(report.value("common", "")) + "\n";
  text += "  now     " + quoted(here) + "\n";
  return text + "  before  " + quoted(before) + "\n";
}

} // namespace

int print_prompt_reports(const launch::Paths& paths) {
  auto daemon =
      launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false});
  if (!daemon)
    return fail("no daemon is running; start one with `anyclaude` or `anyclaude serve`, ask "
                "something, and ask again while it runs");
  const auto reports = daemon->ask("prompts", 5s);
  if (!reports)
    return fail("the running daemon does not answer; is it of another version?");
  const Json list = Json::parse(*reports, nullptr, false);
  if (!list.is_array() || list.empty()) {
    std::puts("The daemon has seen no prompt yet.");
    return 0;
  }
  for (const Json& report : list)
    write_out(described(report));
  return 0;
}

} // namespace anyclaude::commands
