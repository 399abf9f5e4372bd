#include "commands/cache_store.h"

#include "commands/daemon.h"
#include "launch/control_client.h"

#include <chrono>
#include <ctime>
#include <thread>

namespace anyclaude::commands {

using namespace std::chrono_literals;

namespace {

std::optional<launch::ControlClient> connect(const launch::Paths& paths) {
  auto daemon =
      launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false});
  if (!daemon)
    return std::nullopt;
  return std::move(*daemon);
}

std::optional<Json> ask(launch::ControlClient& daemon, const std::string& change) {
  const auto answer = daemon.ask("store", 5s, change);
  Json numbers = answer ? Json::parse(*answer, nullptr, false) : Json();
  if (!numbers.is_object() || !numbers.contains("changes_seen"))
    return std::nullopt;
  return std::optional<Json>(std::in_place, std::move(numbers));
}

} // namespace

std::optional<Json> ask_store(const launch::Paths& paths) {
  auto daemon = connect(paths);
  return daemon ? ask(*daemon, "") : std::nullopt;
}

bool wait_until_stored(const launch::Paths& paths) {
  for (const auto limit = std::chrono::steady_clock::now() + 120s;
       std::chrono::steady_clock::now() < limit; std::this_thread::sleep_for(50ms)) {
    const auto store = ask_store(paths);
    if (!store)
      return false;
    if (store->value("unstored", std::uint64_t{1}) == 0 &&
        store->value("running", std::int64_t{1}) == 0)
      return store->value("disk_bytes", std::uint64_t{0}) > 0;
  }
  return false;
}

void tell_store_changed(const launch::Paths& paths, const std::string& change) {
  auto daemon = connect(paths);
  if (!daemon)
    return;
  const auto told = ask(*daemon, change);
  if (!told && daemon->status().model_path.empty())
    return; // without a model it has no store
  const auto number = told ? told->value("change", std::uint64_t{0}) : 0;
  for (const auto limit = std::chrono::steady_clock::now() + 20s;
       told && std::chrono::steady_clock::now() < limit; std::this_thread::sleep_for(20ms))
    if (const auto now = ask(*daemon, ""); now && now->value("changes_seen", number) >= number)
      return;
  tell("the running daemon has not answered; what it still has in memory goes with `anyclaude "
       "stop`");
}

std::string human_bytes(std::uint64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? std::format("{:.1f} MiB", mebibytes)
                          : std::format("{:.1f} GiB", mebibytes / 1024);
}

std::string human_time(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm local{};
  ::localtime_r(&time, &local);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local));
  return text;
}

std::string human_seconds(double seconds) {
  return seconds < 120 ? std::format("{:.1f} s", seconds) : std::format("{:.0f} min", seconds / 60);
}

} // namespace anyclaude::commands
