#include "commands/top_prefixes.h"

#include "commands/top_state.h"
#include "commands/tree_lines.h"
#include "dashboard/icicle.h"
#include "text/printable.h"
#include "text/quantity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::commands {

namespace {

using ftxui::Color;
using ftxui::Element;
using ftxui::Elements;
using text::grouped;

constexpr int kTokensWidth = 26; // columns of the branch, the tokens and what they are
constexpr int kNarrowestBar = 20;

/// What a tier looks like; differs without colours as well.
struct Look {
  const char* tier;
  const char* mark;
  const char* name;
  Color::Palette16 colour;
};
constexpr std::array<Look, 4> kLooks = {{{"pool", "█", "pool", Color::Blue},
                                         {"memory", "▓", "host memory", Color::Cyan},
                                         {"disk", "░", "disk", Color::Yellow},
                                         {"none", "·", "to compute", Color::GrayDark}}};

const Look& look_of(const std::string& tier) {
  const auto found = std::ranges::find(kLooks, tier, &Look::tier);
  return found != kLooks.end() ? *found : kLooks.back();
}

Json stretches_in(const Json& state) {
  const auto prefixes = state.find("prefixes");
  return prefixes != state.end() && prefixes->is_object() ? array(*prefixes, "stretches")
                                                          : Json::array();
}

int left_out_of(const Json& state) {
  const auto prefixes = state.find("prefixes");
  return prefixes != state.end() ? static_cast<int>(number(*prefixes, "left_out")) : 0;
}

TreeNode node_of(const std::vector<std::vector<int>>& behind, const Json& stretches, int place) {
  const Json& stretch = stretches[static_cast<std::size_t>(place)];
  TreeNode node{.prefixes = static_cast<int>(number(stretch, "prefixes")),
                .left_out = static_cast<int>(number(stretch, "left_out")),
                .behind = {},
                .number = place};
  for (const int next : behind[static_cast<std::size_t>(place)])
    node.behind.push_back(node_of(behind, stretches, next));
  return node;
}

/// What requests ask for comes first: it should be seen where there is little room. Those that
/// stand in front come first in the list, so no stretch is its own ancestor.
std::vector<TreeNode> tree_of(const Json& stretches) {
  std::vector<std::vector<int>> behind(stretches.size());
  std::vector<int> tops;
  for (int i = 0; std::cmp_less(i, stretches.size()); ++i) {
    const std::int64_t parent = number(stretches[static_cast<std::size_t>(i)], "parent");
    if (parent >= 0 && parent < i)
      behind[static_cast<std::size_t>(parent)].push_back(i);
    else
      tops.push_back(i);
  }
  const auto is_idle = [&stretches](int place) {
    return number(stretches[static_cast<std::size_t>(place)], "requests") == 0;
  };
  std::ranges::stable_sort(tops, {}, is_idle);
  for (auto& siblings : behind)
    std::ranges::stable_sort(siblings, {}, is_idle);
  std::vector<TreeNode> nodes;
  for (const int top : tops)
    nodes.push_back(node_of(behind, stretches, top));
  return nodes;
}

/// Where its tokens stand in the longest prefix, and where they are kept.
Element bar(const Json& stretch, double longest, int width) {
  const auto column = [&](double tokens) {
    return static_cast<int>(std::lround(tokens / longest * width));
  };
  double at = real(stretch, "begin");
  int drawn = std::min(column(at), width - 1); // of the shortest, too, something is seen
  Elements parts = {ftxui::text(std::string(static_cast<std::size_t>(std::max(drawn, 0)), ' '))};
  for (const Json& part : array(stretch, "parts")) {
    at += real(part, "tokens");
    const int end = std::clamp(column(at), parts.size() == 1 ? drawn + 1 : drawn, width);
    const std::string tier = words(part, "tier");
    const Look& look = look_of(tier);
    std::string marks;
    for (; drawn < end; ++drawn)
      marks += look.mark;
    parts.push_back(ftxui::text(marks) | ftxui::color(look.colour));
  }
  return ftxui::hbox(std::move(parts)) | ftxui::size(ftxui::WIDTH, ftxui::EQUAL, width);
}

/// In so many columns; of the conversations that do not fit, how many they are.
std::string sharers(const Json& stretch, const Json& all_names, int width) {
  std::string out;
  if (const auto asking = number(stretch, "requests"); asking > 0)
    out += std::format("{} now  ", asking);
  if (const auto prefixes = number(stretch, "prefixes"); prefixes > 1)
    out += std::format("shared by {}  ", prefixes);
  std::vector<std::string> names;
  for (const Json& place : array(stretch, "conversations"))
    if (place.is_number_unsigned() && place.get<std::size_t>() < all_names.size() &&
        all_names[place.get<std::size_t>()].is_string())
      names.push_back(dashboard::short_conversation(text::printable_line(
                          all_names[place.get<std::size_t>()].get<std::string>())) +
                      " ");
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto left = names.size() - i - 1;
    const std::string more = left > 0 ? std::format("+{}", left) : "";
    if (std::cmp_greater(out.size() + names[i].size() + std::max<std::size_t>(more.size(), 1) - 1,
                         width))
      return out + std::format("+{}", left + 1);
    out += names[i];
  }
  return out;
}

/// As many as fit below the heading, those that say what is left out among them.
std::vector<TreeLine> lines_of(const std::vector<TreeNode>& tree, int left_out, int rows) {
  auto lines = tree_lines(tree, std::numeric_limits<std::size_t>::max(), left_out);
  for (int most = rows - 1; most > 0 && std::cmp_greater_equal(lines.size(), rows); --most)
    lines = tree_lines(tree, static_cast<std::size_t>(most), left_out);
  return lines;
}

Element heading() {
  Elements parts = {ftxui::text("prefixes") |
                    ftxui::size(ftxui::WIDTH, ftxui::EQUAL, kTokensWidth) | ftxui::inverted};
  for (const Look& look : kLooks) {
    parts.push_back(ftxui::text(look.mark) | ftxui::color(look.colour)); // as in the bars
    parts.push_back(ftxui::text(std::format(" {} ", look.name)) | ftxui::inverted);
  }
  parts.push_back(ftxui::filler() | ftxui::inverted);
  return ftxui::hbox(std::move(parts));
}

} // namespace

int prefix_rows(const Json& state) {
  const Json stretches = stretches_in(state);
  const auto lines = lines_of(tree_of(stretches), left_out_of(state), 0).size();
  return 1 + std::max(static_cast<int>(lines), 1);
}

Element top_prefixes(const Json& state, int columns, int rows) {
  const Json stretches = stretches_in(state);
  const Json names = stretches.empty() ? Json::array() : array(state["prefixes"], "conversations");
  const int bar_width = std::max((columns - kTokensWidth) * 2 / 5, kNarrowestBar);
  double longest = 1;
  for (const Json& stretch : stretches)
    longest = std::max(longest, real(stretch, "begin") + real(stretch, "tokens"));

  Elements lines = {heading()};
  if (stretches.empty())
    lines.push_back(ftxui::text("none is kept here") | ftxui::dim);
  const auto tree = tree_of(stretches);
  for (const TreeLine& line : lines_of(tree, left_out_of(state), rows)) {
    if (!line.node) {
      lines.push_back(ftxui::text(std::format("{}{} more", line.branch, grouped(line.more))) |
                      ftxui::dim);
      continue;
    }
    const Json& stretch = stretches[static_cast<std::size_t>(line.node->number)];
    const bool is_stable = stretch.value("is_stable", false);
    lines.push_back(ftxui::hbox(
        {ftxui::text(line.branch + grouped(number(stretch, "tokens")) +
                     (is_stable ? " tools+system" : "")) |
             ftxui::size(ftxui::WIDTH, ftxui::EQUAL, kTokensWidth),
         bar(stretch, longest, bar_width),
         ftxui::text("  " + sharers(stretch, names, columns - kTokensWidth - bar_width - 2)) |
             ftxui::flex_shrink}));
  }
  if (rows > 0 && std::cmp_greater(lines.size(), rows))
    lines.resize(static_cast<std::size_t>(rows));
  return ftxui::vbox(std::move(lines));
}

} // namespace anyclaude::commands
