#include "dashboard/icicle.h"

#include "dashboard/html.h"
#include "text/clock.h"
#include "text/quantity.h"

#include <algorithm>
#include <format>
#include <vector>

namespace anyclaude::dashboard {
namespace {

using kv::PrefixOutline;
using kv::Tier;
using text::grouped;

constexpr int kRow = 22;           // pixels
constexpr int kMostRows = 40;      // prefixes in the picture; all are in the list
constexpr double kWordsFrom = 6;   // percent of the width that a stretch must have for words
constexpr double kWide = 30;       // percent: also on a phone
constexpr std::size_t kNamed = 4;  // conversations
constexpr double kThinnest = 0.15; // percent: of one token something is seen as well

const char* words(Tier tier) {
  switch (tier) {
  case Tier::pool:
    return "in the pool";
  case Tier::memory:
    return "in host memory";
  case Tier::disk:
    return "on the disk";
  case Tier::none:
    return "not computed yet";
  }
  return "";
}

std::string counted(std::size_t count, const char* one, const char* several) {
  return grouped(static_cast<std::int64_t>(count)) + " " + (count == 1 ? one : several);
}

std::string counted(int count, const char* one, const char* several) {
  return counted(static_cast<std::size_t>(count), one, several);
}

/// A tree of them, with rows: each prefix that is shown has one.
struct Layout {
  explicit Layout(const PrefixOutline& shown) : outline(shown) {
    const auto count = outline.stretches.size();
    behind.resize(count);
    rows.assign(count, 0);
    first_row.assign(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
      const PrefixOutline::Stretch& stretch = outline.stretches[i];
      auto& siblings = stretch.parent < 0 ? tops : behind[static_cast<std::size_t>(stretch.parent)];
      siblings.push_back(i);
      longest = std::max(longest, stretch.begin + stretch.tokens);
    }
    for (const std::size_t top : tops)
      place(top);
  }

  void place(std::size_t i) {
    first_row[i] = all_rows;
    for (const std::size_t next : behind[i])
      place(next);
    if (behind[i].empty())
      ++all_rows;
    rows[i] = all_rows - first_row[i];
  }
  double percent(int tokens) const {
    return longest > 0 ? 100.0 * tokens / static_cast<double>(longest) : 0;
  }

  const PrefixOutline& outline;
  std::vector<std::vector<std::size_t>> behind;
  std::vector<std::size_t> tops;
  std::vector<int> first_row;
  std::vector<int> rows;
  int all_rows = 0;
  int longest = 1;
};

std::string label(const PrefixOutline::Stretch& stretch) {
  return counted(stretch.tokens, "token", "tokens") +
         (stretch.is_stable ? " of tools and system text" : "");
}

/// What is to be said of a stretch, in one sentence.
std::string figures(const PrefixOutline& outline, const PrefixOutline::Stretch& stretch) {
  std::string out = label(stretch);
  if (stretch.begin > 0)
    out += std::format(" behind {}", grouped(stretch.begin));
  const bool is_in_one = stretch.parts.size() == 1;
  for (const PrefixOutline::Part& part : stretch.parts)
    out += is_in_one ? std::format(", {}", words(part.tier))
                     : std::format(", {} {}", grouped(part.tokens), words(part.tier));
  if (stretch.disk_tokens > 0 && !(is_in_one && stretch.parts.front().tier == Tier::disk))
    out += stretch.disk_tokens == stretch.tokens
               ? std::string(", on the disk as well")
               : std::format(", {} on the disk as well", grouped(stretch.disk_tokens));
  if (stretch.prefixes > 1)
    out += "; shared by " + counted(stretch.prefixes, "prefix", "prefixes");
  if (const auto count = stretch.conversations.size(); count > 0) {
    out += "; " + counted(count, "conversation", "conversations");
    for (std::size_t i = 0; i < std::min(count, kNamed); ++i)
      out += (i == 0 ? ": " : ", ") +
             escaped(short_conversation(
                 outline.conversations[static_cast<std::size_t>(stretch.conversations[i])]));
    if (count > kNamed)
      out += std::format(" and {} more", count - kNamed);
  }
  if (stretch.requests > 0)
    out += "; asked for by " + counted(stretch.requests, "request", "requests") + " now";
  if (stretch.last_used > 0)
    out += std::format("; last used {}", text::clock_time(stretch.last_used * 1000));
  if (stretch.left_out > 0)
    out += std::format("; goes on in {} that {} not shown",
                       counted(stretch.left_out, "prefix", "prefixes"),
                       stretch.left_out == 1 ? "is" : "are");
  return out;
}

/// In the largest part, whose colour they are readable on.
std::string words_in(const Layout& layout, const PrefixOutline::Stretch& stretch, int y,
                     int height) {
  int begin = stretch.begin;
  int at = begin;
  const PrefixOutline::Part* largest = nullptr;
  for (const PrefixOutline::Part& part : stretch.parts) {
    if (!largest || part.tokens > largest->tokens) {
      largest = &part;
      begin = at;
    }
    at += part.tokens;
  }
  if (!largest || layout.percent(largest->tokens) < kWordsFrom)
    return {};
  return std::format(
      R"(<svg x="{:.3f}%" y="{}" width="{:.3f}%" height="{}" aria-hidden="true"><text class="on-{}{}" x="6" y="50%" dominant-baseline="central">{}</text></svg>)",
      layout.percent(begin), y, layout.percent(largest->tokens), height,
      kv::to_string(largest->tier), layout.percent(largest->tokens) < kWide ? " narrow" : "",
      label(stretch));
}

std::string drawn(const Layout& layout, std::size_t i, int level, const std::string& path) {
  const PrefixOutline::Stretch& stretch = layout.outline.stretches[i];
  const int y = layout.first_row[i] * kRow;
  const int height = layout.rows[i] * kRow - 1;
  if (layout.first_row[i] >= kMostRows)
    return {};
  std::string out = std::format(
      R"(<g class="stretch" role="treeitem" aria-level="{0}" tabindex="{1}" data-path="{2}" data-end="{3}" aria-label="{4}"><title>{4}</title>)",
      level, path == "0" ? 0 : -1, path, stretch.begin + stretch.tokens,
      figures(layout.outline, stretch));
  int at = stretch.begin;
  for (const PrefixOutline::Part& part : stretch.parts) {
    out += std::format(R"(<rect class="tier-{}" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}"/>)",
                       kv::to_string(part.tier), layout.percent(at), y,
                       std::max(layout.percent(part.tokens), kThinnest), height);
    at += part.tokens;
  }
  out += std::format(R"(<rect class="frame" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}"/>)",
                     layout.percent(stretch.begin), y,
                     std::max(layout.percent(stretch.tokens), kThinnest), height);
  out += words_in(layout, stretch, y, height) + "</g>";
  int number = 0;
  for (const std::size_t next : layout.behind[i])
    out += drawn(layout, next, level + 1, std::format("{}.{}", path, number++));
  return out;
}

std::string listed(const Layout& layout, const std::vector<std::size_t>& stretches) {
  std::string out = "<ul>";
  for (const std::size_t i : stretches) {
    out += "<li>" + figures(layout.outline, layout.outline.stretches[i]);
    if (!layout.behind[i].empty())
      out += listed(layout, layout.behind[i]);
    out += "</li>";
  }
  return out + "</ul>";
}

std::string key_of(Tier tier) {
  return std::format(
      R"(<li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="tier-{}" width="12" height="12"/></svg> {}</li>)",
      kv::to_string(tier), words(tier));
}

} // namespace

std::string short_conversation(const std::string& conversation) {
  constexpr std::size_t kLength = 8;
  const auto agent = conversation.find('/');
  std::string name = conversation.substr(0, std::min(agent, kLength));
  if (agent != std::string::npos)
    name += conversation.substr(agent, kLength + 1);
  return name;
}

std::string icicle(const PrefixOutline& outline) {
  if (outline.stretches.empty())
    return "<p class=\"empty\">Nothing has been computed yet.</p>";
  const Layout layout(outline);
  std::string items;
  int number = 0;
  for (const std::size_t top : layout.tops)
    items += drawn(layout, top, 1, std::to_string(number++));
  std::string rest;
  if (layout.all_rows > kMostRows)
    rest += std::format("<p><small>{} more in the list.</small></p>", layout.all_rows - kMostRows);
  if (outline.left_out > 0)
    rest += std::format("<p><small>{} smaller ones are not shown.</small></p>",
                        grouped(outline.left_out));
  return std::format(
             R"(<svg class="icicle" role="tree" aria-label="Prefixes: arrow keys go to what stands behind, in front and beside" width="100%" height="{}">{}</svg>)",
             std::min(layout.all_rows, kMostRows) * kRow, items) +
         R"(<p class="figures">Point at a stretch, or go there with the keyboard, to see its figures.</p>)" +
         "<ul class=\"key\">" + key_of(Tier::pool) + key_of(Tier::memory) + key_of(Tier::disk) +
         key_of(Tier::none) + "</ul>" + rest +
         "<details open><summary>As a list</summary><div class=\"prefixes\">" +
         listed(layout, layout.tops) + "</div></details>";
}

} // namespace anyclaude::dashboard
