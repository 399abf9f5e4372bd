#include "dashboard/charts.h"
#include "dashboard/html.h"
#include "dashboard/icicle.h"
#include "dashboard/view.h"
#include "text/clock.h"
#include "text/quantity.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <format>
#include <ranges>

namespace anyclaude::dashboard {
namespace {

using telemetry::LiveRequest;
using telemetry::RequestRecord;
using text::clock_time;
using text::duration;
using text::grouped;

constexpr std::size_t kListed = 40; // requests

std::string shown(const std::optional<double>& milliseconds) {
  return milliseconds ? duration(std::llround(*milliseconds)) : "–";
}

/// A section with its heading, which names it.
Section section(const char* id, const char* heading, const std::string& content) {
  return {id, std::format(R"(<h2 id="{0}-heading">{1}</h2>{2})", id, heading, content)};
}

std::string tile(const char* name, const std::string& value, const std::string& more = {}) {
  return std::format(R"(<div class="tile"><dt>{}</dt><dd>{}{}</dd></div>)", name, value,
                     more.empty() ? "" : "<small>" + more + "</small>");
}

Section state(const View& view) {
  std::string words = view.health.ready ? "ready" : escaped(view.health.detail);
  for (const backend::ModelInfo& model : view.models)
    words += std::format(" · {}{}", escaped(model.display_name),
                         model.context_tokens > 0
                             ? std::format(", {} tokens of context", grouped(model.context_tokens))
                             : "");
  return {"state",
          std::format(R"(<p class="{}">{}</p>)", view.health.ready ? "good" : "bad", words)};
}

Section totals(const View& view) {
  const telemetry::Totals& today = view.today.totals;
  const telemetry::Totals& kept = view.kept.totals;
  std::string tiles = "<dl class=\"tiles\">";
  tiles += tile("Time saved today", duration(today.saved_ms), duration(kept.saved_ms) + " in all");
  tiles +=
      tile("Prompt tokens reused today", text::percent(today.reused_tokens, today.prompt_tokens),
           text::percent(kept.reused_tokens, kept.prompt_tokens) + " in all");
  tiles += tile("First token, cold", shown(view.kept.cold_ms), "median");
  tiles += tile("First token, warm", shown(view.kept.warm_ms), "median");
  tiles += tile("Requests today", grouped(today.requests),
                std::format("{} failed", grouped(today.errors)));
  return section("totals", "What reuse saved", tiles + "</dl>");
}

std::string phase_words(const LiveRequest& request) {
  switch (request.phase) {
  case telemetry::Phase::queued:
    return "queued";
  case telemetry::Phase::prefill:
    return request.left_ms ? std::format("prefill, {} left", shown(request.left_ms)) : "prefill";
  case telemetry::Phase::generating:
    return request.phase_ms > 500
               ? std::format("answering, {:.0f} tokens/s",
                             static_cast<double>(request.pieces) / request.phase_ms * 1000)
               : "answering";
  }
  return {};
}

std::string live_row(const LiveRequest& request) {
  const std::int64_t total = std::max<std::int64_t>(request.prompt_tokens, 1);
  return std::format(
      R"(<tr><th scope="row">{0}{1}</th><td>{2}</td><td><progress max="{3}" value="{4}" aria-label="prompt tokens done">{5}</progress> {6} of {7}</td><td>{8}</td><td>{9}</td></tr>)",
      escaped(request.id.substr(0, 12)), request.background ? " <small>background</small>" : "",
      phase_words(request), total, request.done_tokens,
      text::percent(request.done_tokens, request.prompt_tokens), grouped(request.done_tokens),
      request.prompt_tokens > 0 ? grouped(request.prompt_tokens) : "?",
      request.phase == telemetry::Phase::generating ? grouped(request.reused_tokens) : "–",
      duration(std::llround(request.waited_ms)));
}

Section live(const View& view) {
  if (view.live.empty())
    return section("live", "Now", "<p class=\"empty\">Nothing is being asked.</p>");
  std::string rows;
  for (const LiveRequest& request : view.live)
    rows += live_row(request);
  return section(
      "live", "Now",
      R"(<div class="scroll" tabindex="0" role="region" aria-labelledby="live-heading"><table><thead><tr><th scope="col">request</th><th scope="col">phase</th><th scope="col">prompt</th><th scope="col">reused</th><th scope="col">since</th></tr></thead><tbody>)" +
          rows + "</tbody></table></div>");
}

Section first_tokens(const View& view) {
  return section(
      "first-tokens", "Time to the first token",
      first_token_chart(view.records) +
          R"(<ul class="key"><li><svg viewBox="0 0 12 12" aria-hidden="true"><circle class="cold" cx="6" cy="6" r="5"/></svg> cold: mostly computed</li><li><svg viewBox="0 0 12 12" aria-hidden="true"><path class="partly" d="M6 1l5.5 9h-11z"/></svg> partly reused</li><li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="warm" x="2" y="2" width="8" height="8"/></svg> warm: mostly reused</li></ul>)");
}

Section memory(const View& view) {
  if (!view.engine)
    return section("memory", "KV cache", "<p class=\"empty\">Kept by the server that answers.</p>");
  const backend::EngineNumbers& engine = *view.engine;
  std::string tiles = "<dl class=\"tiles\">";
  tiles +=
      tile("Tokens in the model's memory", grouped(static_cast<std::int64_t>(engine.cells_used)),
           std::format("of {}{}", grouped(static_cast<std::int64_t>(engine.cells)),
                       share_bar(static_cast<std::int64_t>(engine.cells_used),
                                 static_cast<std::int64_t>(engine.cells))));
  tiles += tile("In host memory", text::bytes(engine.stored_bytes + engine.checkpoint_bytes));
  tiles += tile("Brought back", grouped(static_cast<std::int64_t>(engine.stored_tokens_restored)),
                "tokens that were not computed again");
  tiles +=
      tile("Running", grouped(engine.running), std::format("{} queued", grouped(engine.queued)));
  return section("memory", "KV cache", tiles + "</dl>");
}

Section prefixes(const View& view) {
  return section("prefixes", "Prefixes",
                 view.prefixes ? icicle(*view.prefixes)
                               : "<p class=\"empty\">None is kept here.</p>");
}

std::string server_row(const backend::ServerStatus& server) {
  std::string models;
  for (const backend::ModelInfo& model : server.models)
    models += (models.empty() ? "" : ", ") + escaped(model.id);
  const bool is_well = server.up && server.health.ready;
  const std::string state = !server.health.ready ? escaped(server.health.detail)
                            : server.up          ? "answers"
                                                 : "answers again; not asked yet";
  return std::format(
      R"(<tr><th scope="row">{}</th><td>{}</td><td class="{}">{}</td><td>{}</td><td>{}</td></tr>)",
      escaped(server.backend), escaped(server.id), is_well ? "good" : "bad", state,
      grouped(server.running), models);
}

Section servers(const View& view) {
  if (view.servers.empty())
    return section("servers", "Backends",
                   "<p class=\"empty\">Every request goes to the real Claude.</p>");
  std::string rows;
  for (const backend::ServerStatus& server : view.servers)
    rows += server_row(server);
  return section(
      "servers", "Backends",
      R"(<div class="scroll" tabindex="0" role="region" aria-labelledby="servers-heading"><table><thead><tr><th scope="col">backend</th><th scope="col">where</th><th scope="col">state</th><th scope="col">requests</th><th scope="col">models</th></tr></thead><tbody>)" +
          rows + "</tbody></table></div>");
}

std::string request_row(const RequestRecord& record, double longest_ms) {
  return std::format(
      R"(<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class="{}">{}</td></tr>)",
      clock_time(record.started_at), grouped(record.prompt_tokens),
      text::percent(record.reused_tokens, record.prompt_tokens), grouped(record.output_tokens),
      shown(record.ttft_ms), waterfall(record, longest_ms), record.status < 400 ? "good" : "bad",
      record.status == 499 ? std::string("left") : std::to_string(record.status));
}

Section requests(const View& view) {
  if (view.records.empty())
    return section("requests", "Requests", "<p class=\"empty\">None yet.</p>");
  const std::size_t count = std::min(view.records.size(), kListed);
  const auto listed = std::span(view.records).last(count);
  double longest = 0;
  for (const RequestRecord& record : listed)
    longest = std::max(longest, record.total_ms);
  std::string rows;
  for (const RequestRecord& record : listed | std::views::reverse)
    rows += request_row(record, longest);
  return section(
      "requests", "Requests",
      R"(<div class="scroll" tabindex="0" role="region" aria-labelledby="requests-heading"><table><thead><tr><th scope="col">time</th><th scope="col">prompt tokens</th><th scope="col">reused</th><th scope="col">answer</th><th scope="col">first token</th><th scope="col">where the time went</th><th scope="col">status</th></tr></thead><tbody>)" +
          rows +
          R"(</tbody></table></div><ul class="key"><li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="waiting" width="12" height="12"/></svg> waiting</li><li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="prefill" width="12" height="12"/></svg> prefill</li><li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="answering" width="12" height="12"/></svg> answer</li></ul>)");
}

std::string break_row(const prompt::PromptReport& report) {
  const auto tokens = static_cast<std::int64_t>(report.tokens);
  const auto shared = static_cast<std::int64_t>(report.shared);
  const bool parts = !report.here.empty() || !report.before.empty();
  const std::string how =
      parts        ? std::format("; they part in turn {} of {}", report.turn + 1, report.turns)
      : shared > 0 ? std::string(", which it goes on")
                   : std::string();
  std::string out = std::format("<li><p>{} tokens, {} as in an earlier prompt{}{}</p>",
                                grouped(tokens), grouped(shared), how, share_bar(shared, tokens));
  if (parts)
    out += std::format("<dl class=\"parting\"><dt>behind</dt><dd>{}</dd><dt>now</dt><dd>{}</dd>"
                       "<dt>before</dt><dd>{}</dd></dl>",
                       escaped(report.common), escaped(report.here), escaped(report.before));
  return out + "</li>";
}

Section breaks(const View& view) {
  if (view.prompts.empty())
    return section("breaks", "What broke the prefix", "<p class=\"empty\">No prompt yet.</p>");
  std::string items;
  for (const prompt::PromptReport& report : view.prompts | std::views::reverse)
    items += break_row(report);
  return section("breaks", "What broke the prefix", "<ol class=\"breaks\">" + items + "</ol>");
}

std::string document(const std::string& title, const std::string& head, const std::string& body) {
  return std::format(
      R"(<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{}</title><link rel="stylesheet" href="/ui/style.css"><link rel="icon" href="data:,">{}</head><body>{}</body></html>)",
      title, head, body);
}

} // namespace

std::vector<Section> sections(const View& view) {
  return {state(view),        totals(view), prefixes(view), live(view),  servers(view),
          first_tokens(view), memory(view), requests(view), breaks(view)};
}

std::string page(const View& view) {
  std::string body =
      std::format(R"(<header><h1>anyclaude</h1><p><small>{}</small></p></header><main>)",
                  escaped(view.version));
  for (const Section& part : sections(view))
    body +=
        std::format(R"(<section id="{0}"{1}>{2}</section>)", part.id,
                    part.id == "state" ? std::string(" aria-label=\"State\"")
                                       : std::format(" aria-labelledby=\"{}-heading\"", part.id),
                    part.html);
  body +=
      R"(</main><footer><p id="freshness">Without its script this page is renewed every 5 seconds.</p></footer>)";
  return document(
      "anyclaude",
      R"(<noscript><meta http-equiv="refresh" content="5"></noscript><script src="/ui/script.js" defer></script>)",
      body);
}

std::string login_page(bool was_wrong) {
  return document(
      "anyclaude: token", R"(<script src="/ui/script.js" defer></script>)",
      std::format(
          R"(<header><h1>anyclaude</h1></header><main><form id="login" method="post" action="/ui/login"><p>{}</p><p><label for="token">Token</label> <input id="token" name="token" type="password" autocomplete="off" required autofocus> <button>Open</button></p><p><small>`anyclaude ui` opens this page with the token; `anyclaude serve` prints it.</small></p></form></main>)",
          was_wrong ? R"(<strong class="bad">This is not the token of this server.</strong>)"
                    : "This page shows what the server does to who has its token."));
}

} // namespace anyclaude::dashboard
