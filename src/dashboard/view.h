#pragma once

#include "backend/backend.h"
#include "prompt/prompt_watch.h"
#include "telemetry/live.h"
#include "telemetry/periods.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a person can look at in a browser, as HTML without anything from elsewhere. Everything is
/// rendered here; the page's script only puts newer sections in the place of older ones, so the
/// page is the same without it, but for that.
namespace anyclaude::dashboard {

/// Everything that is shown, at one moment.
struct View {
  std::string version;
  backend::Health health;
  std::vector<backend::ModelInfo> models;
  std::int64_t now = 0; // milliseconds since 1970

  telemetry::Period today;
  telemetry::Period kept; // all that the history has
  std::vector<telemetry::LiveRequest> live;
  std::vector<telemetry::RequestRecord> records; // the last ones, oldest first
  std::optional<backend::EngineNumbers> engine;
  std::shared_ptr<const kv::PrefixOutline> prefixes; // null: there is none
  std::vector<backend::ServerStatus> servers;        // none: all goes to the real Claude
  std::vector<prompt::PromptReport> prompts;         // oldest first
};

/// A part of the page that is replaced as a whole when it changes.
struct Section {
  std::string id; // of its element
  std::string html;
};
std::vector<Section> sections(const View& view);

/// The whole page.
std::string page(const View& view);

/// The page for who has not shown the token yet, or a wrong one.
std::string login_page(bool was_wrong);

/// The same for programs, as a JSON object.
std::string state_json(const View& view);

std::string_view style();  // text/css
std::string_view script(); // text/javascript

} // namespace anyclaude::dashboard
