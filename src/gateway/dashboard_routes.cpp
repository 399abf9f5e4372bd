#include "gateway/dashboard_routes.h"

#include "anthropic/json.h"
#include "gateway/route.h"
#include "telemetry/history.h"
#include "text/clock.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>
#include <span>
#include <utility>
#include <vector>

namespace anyclaude::gateway {
namespace {

using namespace std::chrono_literals;

constexpr auto kPeriodsAge = 15s;
constexpr auto kLookAgain = 1s;

/// Nothing from elsewhere, nothing inline, in nobody's frame, and nothing left in a cache.
Headers page_headers(std::string type) {
  return {
      {"content-type", std::move(type)},
      {"content-security-policy",
       "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src "
       "data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
      {"referrer-policy", "same-origin"}, // with none, browsers call the origin of a form "null"
      {"x-content-type-options", "nosniff"},
      {"cache-control", "no-store"}};
}

/// Cookies of one host are shared by its ports, so the port is in the name.
std::string cookie_name(std::uint16_t port) {
  return std::format("anyclaude_ui_{}", port);
}

/// The value of a cookie; empty where there is none. Source: RFC 6265, 4.2.
std::string_view cookie(const HttpRequest& request, std::string_view name) {
  std::string_view rest = request.header("cookie");
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    pair.remove_prefix(std::min(pair.find_first_not_of(' '), pair.size()));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name)
      return pair.substr(equals + 1);
  }
  return {};
}

/// Events for the sections that differ from those that were sent, which they replace.
std::string news(const std::vector<dashboard::Section>& sections,
                 std::map<std::string, std::string>& sent) {
  std::string events;
  for (const dashboard::Section& section : sections) {
    std::string& last = sent[section.id];
    if (last == section.html)
      continue;
    last = section.html;
    const Json data = {{"id", section.id}, {"html", section.html}};
    events += "event: section\ndata: " + data.dump(-1, ' ', false, Json::error_handler_t::replace) +
              "\n\n";
  }
  return events;
}

} // namespace

DashboardRoutes::DashboardRoutes(DashboardOptions options, const Access& access,
                                 const backend::Backend& backend, const telemetry::Stats& stats)
    : options_(std::move(options)), access_(access), backend_(backend), stats_(stats),
      renderer_([this] { run(); }) {}

DashboardRoutes::~DashboardRoutes() {
  {
    const std::scoped_lock lock(followers_mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  renderer_.join();
}

void DashboardRoutes::handle(const HttpRequest& request, std::uint16_t port,
                             const std::shared_ptr<Responder>& responder) {
  const std::string_view path = request.path;
  if (path == "/ui/style.css")
    return responder->respond(200, page_headers("text/css; charset=utf-8"),
                              std::string(dashboard::style()));
  if (path == "/ui/script.js")
    return responder->respond(200, page_headers("text/javascript; charset=utf-8"),
                              std::string(dashboard::script()));
  if (path == "/ui/login" && request.method == "POST")
    return login(request, port, *responder);
  const bool may_look =
      access_.has_pass(cookie(request, cookie_name(port))) || access_.identify(request).has_value();
  if (!may_look)
    return responder->respond(path == "/ui" ? 200 : 401, page_headers("text/html; charset=utf-8"),
                              dashboard::login_page(false));
  if (path == "/ui/events")
    return follow(responder);
  if (path != "/ui") {
    Headers headers = page_headers("text/plain; charset=utf-8");
    headers.emplace_back("location", "/ui");
    return responder->respond(303, std::move(headers), {});
  }
  responder->respond(200, page_headers("text/html; charset=utf-8"), dashboard::page(view()));
}

std::string DashboardRoutes::state() {
  return dashboard::state_json(view());
}

void DashboardRoutes::login(const HttpRequest& request, std::uint16_t port,
                            Responder& responder) const {
  const std::string pass = access_.pass_of(query_value(request.body, "token"));
  Headers headers = page_headers("text/html; charset=utf-8");
  if (pass.empty())
    return responder.respond(401, std::move(headers), dashboard::login_page(true));
  headers.emplace_back("set-cookie", std::format("{}={}; Path=/ui; HttpOnly; SameSite=Strict",
                                                 cookie_name(port), pass));
  headers.emplace_back("location", "/ui");
  responder.respond(303, std::move(headers), {});
}

void DashboardRoutes::follow(const std::shared_ptr<Responder>& responder) {
  responder->begin(200, page_headers("text/event-stream; charset=utf-8"));
  auto has_left = std::make_shared<bool>(false);
  {
    const std::scoped_lock lock(followers_mutex_);
    followers_.push_back({responder, has_left, {}});
  }
  responder->on_disconnect([this, has_left] {
    const std::scoped_lock lock(followers_mutex_);
    *has_left = true;
    changed_.notify_all();
  });
  changed_.notify_all();
}

/// Sends every section that has changed to everybody, once a second while somebody follows.
void DashboardRoutes::run() {
  std::unique_lock lock(followers_mutex_);
  while (!stopping_) {
    followers_.remove_if([](const Follower& follower) { return *follower.has_left; });
    if (followers_.empty()) {
      changed_.wait(lock, [this] { return stopping_ || !followers_.empty(); });
      continue;
    }
    lock.unlock();
    const auto sections = dashboard::sections(view());
    lock.lock();
    for (Follower& follower : followers_)
      if (std::string events = news(sections, follower.sections); !events.empty())
        follower.responder->write(std::move(events));
    const std::size_t count = followers_.size();
    changed_.wait_for(lock, kLookAgain,
                      [this, count] { return stopping_ || followers_.size() != count; });
  }
  followers_.clear();
}

dashboard::View DashboardRoutes::view() {
  dashboard::View view;
  view.version = options_.version;
  view.health = backend_.health();
  view.models = backend_.models();
  view.now = text::unix_milliseconds();
  auto [today, kept] = periods(view.now);
  view.today = std::move(today);
  view.kept = std::move(kept);
  view.live = stats_.live().requests();
  view.records = stats_.records();
  view.engine = backend_.engine_numbers();
  view.prefixes = backend_.prefixes();
  view.servers = backend_.servers();
  if (view.servers.size() == 1) // what it does by itself is not counted everywhere
    view.servers.front().running = static_cast<int>(view.live.size());
  view.prompts = backend_.prompt_reports();
  return view;
}

DashboardRoutes::Periods DashboardRoutes::periods(std::int64_t now) {
  const std::scoped_lock lock(periods_mutex_);
  const auto time = std::chrono::steady_clock::now();
  if (was_read_ && time - read_at_ < kPeriodsAge)
    return periods_;
  auto records =
      options_.history.empty()
          ? std::expected<std::vector<telemetry::RequestRecord>, std::string>(stats_.records())
          : telemetry::read_history(options_.history, 0);
  if (!records) // it is written by this very process, whose log says what is wrong with it
    records = stats_.records();
  const std::string today = telemetry::local_day(now);
  const auto first_of_today = std::ranges::find_if(*records, [&](const auto& record) {
    return telemetry::local_day(record.started_at) == today;
  });
  periods_ = {.today = telemetry::summed(today, std::span(first_of_today, records->end())),
              .kept = telemetry::summed("in all", *records)};
  read_at_ = time;
  was_read_ = true;
  return periods_;
}

} // namespace anyclaude::gateway
