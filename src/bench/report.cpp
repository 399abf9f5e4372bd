#include "bench/report.h"

#include "bench/spread.h"
#include "text/quantity.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <vector>

namespace anyclaude::bench {

namespace {

using text::grouped;

std::string times(double factor) {
  return std::format("{:.{}f}x", factor, factor < 10 ? 2 : factor < 100 ? 1 : 0);
}

std::string range(const Spread& spread) {
  return std::format("{} to {}", short_time(spread.min), short_time(spread.max));
}

std::string faster(const Result& result, const Row& row) {
  return &row == &result.rows.front() ? std::string() : times(speedup(result, row));
}

/// What a reader must know so as not to be misled; whole sentences.
std::vector<std::string> notes(const Result& result) {
  std::vector<std::string> notes;
  const auto prompt = result.rows.front().prompt_tokens;
  if (result.wanted_tokens > 0 && prompt < result.wanted_tokens * 99 / 100)
    notes.push_back(
        std::format("The prompt was made shorter than {} tokens: the model's context is {}.",
                    grouped(result.wanted_tokens), grouped(result.context_tokens)));
  if (result.is_demo)
    notes.emplace_back(
        "The model is a stand-in that answers with a fixed sentence: nothing here "
        "says how good an answer is. The tokens are computed and the times are real.");
  if (result.repeats < 5)
    notes.push_back(std::format("{} can show no difference to another run; five can.",
                                result.repeats == 1 ? "One repeat"
                                                    : std::format("{} repeats", result.repeats)));
  if (result.machine.cores > 0 && result.load_before > result.machine.cores / 2.0)
    notes.push_back(std::format("The machine was busy with other things (load {:.1f} on {} cores): "
                                "measure again when it is quiet.",
                                result.load_before, result.machine.cores));
  return notes;
}

std::string first_difference(const char* what, const std::string& a, const std::string& b) {
  return a == b ? std::string() : std::format("{:<10} A: {}\n{:<10} B: {}\n", what, a, "", b);
}

} // namespace

std::string short_time(double milliseconds) {
  if (milliseconds < 0.9995)
    return std::format("{:.0f} us", milliseconds * 1000);
  if (milliseconds < 999.5)
    return std::format("{:.{}f} ms", milliseconds, milliseconds < 99.95 ? 1 : 0);
  const double seconds = milliseconds / 1000;
  return std::format("{:.{}f} s", seconds, seconds < 9.995 ? 2 : seconds < 99.95 ? 1 : 0);
}

std::string what_was_measured(const Result& result) {
  const std::string whose = result.client != "replay"      ? "asked by " + result.client
                            : result.prompt == "synthetic" ? "of Claude Code's shape"
                                                           : "of " + result.prompt;
  return std::format("{}-token prompt {}, {}, mode {}, {} {}",
                     grouped(result.rows.front().prompt_tokens), whose, result.model, result.mode,
                     result.repeats, result.repeats == 1 ? "repeat" : "repeats");
}

std::string table(const Result& result) {
  std::string text =
      std::format("{}\n{}, anyclaude {}, {}\n\n", what_was_measured(result),
                  result.machine.sentence(), result.version, result.date.substr(0, 10));
  text += std::format("{:<22}{:>8}{:>8}{:>10}{:>13}  {:<20}{:>9}\n", "", "prompt", "reused",
                      "computed", "first token", "(least to most)", "speed-up");
  for (const Row& row : result.rows) {
    const Spread spread = spread_of(row.ttft_ms);
    text += std::format("{:<22}{:>8}{:>8}{:>10}{:>13}  {:<20}{:>9}\n", title(result, row),
                        grouped(row.prompt_tokens), grouped(row.reused_tokens),
                        grouped(row.computed_tokens), short_time(spread.median),
                        row.ttft_ms.size() > 1 ? range(spread) : "", faster(result, row));
  }
  text += "\n";
  for (const std::string& note : notes(result))
    text += note + "\n";
  return text;
}

std::string markdown(const Result& result) {
  std::string text =
      std::format("**{}**  \n{}, anyclaude {}, {}\n\n", what_was_measured(result),
                  result.machine.sentence(), result.version, result.date.substr(0, 10));
  text += "| | prompt tokens | reused | computed | first token | least to most | speed-up |\n"
          "|---|---:|---:|---:|---:|---:|---:|\n";
  for (const Row& row : result.rows) {
    const Spread spread = spread_of(row.ttft_ms);
    text += std::format("| {} | {} | {} | {} | {} | {} | {} |\n", title(result, row),
                        grouped(row.prompt_tokens), grouped(row.reused_tokens),
                        grouped(row.computed_tokens), short_time(spread.median), range(spread),
                        faster(result, row));
  }
  for (const std::string& note : notes(result))
    text += "\n" + note + "\n";
  return text;
}

std::string comparison(const Result& a, const Result& b) {
  std::string text;
  text += first_difference("measured", what_was_measured(a), what_was_measured(b));
  text += first_difference("machine", a.machine.sentence(), b.machine.sentence());
  text += first_difference("anyclaude", a.version + ", " + a.date, b.version + ", " + b.date);
  text += std::format("\n{:<22}{:>12}{:>12}{:>10}\n", "", "A", "B", "B / A");
  bool too_few = false;
  for (const Row& first : a.rows) {
    const Row* second = b.row(first.name);
    // Another number of sessions is another question.
    if (!second || (first.name == "sessions" && a.sessions != b.sessions))
      continue;
    const double before = spread_of(first.ttft_ms).median;
    const double after = spread_of(second->ttft_ms).median;
    const double p = rank_sum_p(first.ttft_ms, second->ttft_ms);
    too_few = too_few || std::min(first.ttft_ms.size(), second->ttft_ms.size()) < 5;
    const bool differs = p < kSignificance;
    text += std::format(
        "{:<22}{:>12}{:>12}{:>10}  {}\n", title(a, first), short_time(before), short_time(after),
        differs && before > 0 ? times(after / before) : "",
        differs ? std::format("B is {} (p = {:.2g})", after < before ? "faster" : "slower", p)
                : std::format("no difference shown (p = {:.2g})", p));
  }
  text += std::format("\np: how often chance alone would set so many values so far apart (exact "
                      "rank-sum test). From {} on\nit is not called a difference. Runs at "
                      "different times differ by more than their repeats do: run A and B in "
                      "turns.\n",
                      kSignificance);
  if (too_few)
    text += "With fewer than five repeats each, no difference can be shown: --repeats 5.\n";
  return text;
}

} // namespace anyclaude::bench
