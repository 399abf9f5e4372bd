#include "prompt/prompt_watch.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace anyclaude::prompt {

namespace {

constexpr std::size_t kWords = 16; // tokens shown on either side of the place

std::span<const std::int32_t> window(std::span<const std::int32_t> tokens, std::size_t begin) {
  begin = std::min(begin, tokens.size());
  return tokens.subspan(begin, std::min(kWords, tokens.size() - begin));
}

} // namespace

PromptWatch::PromptWatch(std::function<std::string(std::int32_t)> piece)
    : piece_(std::move(piece)) {}

std::string PromptWatch::text(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens)
    text += piece_(token);
  return text;
}

void PromptWatch::add(const std::string& tenant, std::span<const std::int32_t> tokens,
                      std::span<const int> boundaries) {
  const std::scoped_lock lock(mutex_);
  const Seen* nearest = nullptr;
  std::size_t shared = 0;
  for (const Seen& earlier : seen_) {
    if (earlier.tenant != tenant)
      continue;
    const auto end = std::ranges::mismatch(earlier.tokens, tokens).in2;
    const auto common = static_cast<std::size_t>(end - tokens.begin());
    if (nearest == nullptr || common >= shared) {
      nearest = &earlier;
      shared = common;
    }
  }
  PromptReport report;
  report.tokens = tokens.size();
  report.shared = shared;
  report.turns = static_cast<int>(boundaries.size()) + 1;
  report.turn = static_cast<int>(std::ranges::upper_bound(boundaries, static_cast<int>(shared)) -
                                 boundaries.begin());
  if (nearest != nullptr && shared < nearest->tokens.size()) {
    const std::size_t begin = shared - std::min(shared, kWords);
    report.common = text(tokens.subspan(begin, shared - begin));
    report.here = text(window(tokens, shared));
    report.before = text(window(nearest->tokens, shared));
  }
  seen_.push_back({tenant, {tokens.begin(), tokens.end()}, std::move(report)});
  if (seen_.size() > kPrompts)
    seen_.pop_front();
}

std::vector<PromptReport> PromptWatch::reports() const {
  const std::scoped_lock lock(mutex_);
  std::vector<PromptReport> reports;
  for (const Seen& seen : seen_)
    reports.push_back(seen.report);
  return reports;
}

std::string to_json(std::span<const PromptReport> reports) {
  Json out = Json::array();
  for (const PromptReport& report : reports)
    out.push_back({{"tokens", report.tokens},
                   {"shared", report.shared},
                   {"turn", report.turn},
                   {"turns", report.turns},
                   {"common", report.common},
                   {"here", report.here},
                   {"before", report.before}});
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace anyclaude::prompt
