#include "bench/chart.h"

#include "bench/report.h"
#include "bench/spread.h"
#include "text/quantity.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <string_view>

namespace anyclaude::bench {

namespace {

// Pixels.
constexpr double kWidth = 760;
constexpr double kLeft = 160; // of the bars; their names stand there
constexpr double kBars = 440; // the longest
constexpr double kTop = 84;
constexpr double kRow = 38;
constexpr double kBar = 20;
constexpr double kThinnest = 2;

constexpr std::string_view kStyle = R"(
  text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; font-size: 13px }
  .title { font-size: 16px; font-weight: 600 }
  .quiet { fill: #59636e; font-size: 12px }
  .ground { fill: #ffffff; stroke: #d1d9e0 }
  .cold { fill: #8c959f } .warm { fill: #0a7d46 }
  .grid { stroke: #d1d9e0 } .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .quiet { fill: #9198a1 }
    .ground { fill: #0d1117; stroke: #3d444d }
    .cold { fill: #7d8590 } .warm { fill: #3fb950 }
    .grid { stroke: #3d444d } .spread { stroke: #f0f6fc }
  }
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20) // XML 1.0 knows no control characters
      out += c;
  }
  return out;
}

std::string text_at(double x, double y, std::string_view style, std::string_view words,
                    std::string_view anchor = "start") {
  return std::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" text-anchor=\"{}\">{}</text>\n",
                     x, y, style, anchor, escaped(words));
}

/// From milliseconds to pixels.
class Scale {
 public:
  explicit Scale(const Result& result) {
    double least = 0;
    for (const Row& row : result.rows) {
      const Spread spread = spread_of(row.ttft_ms);
      most_ = std::max(most_, spread.max);
      least = least <= 0 ? spread.median : std::min(least, spread.median);
    }
    if (most_ <= 0 || least <= 0)
      return;
    logarithmic_ = least / most_ * kBars < kThinnest;
    from_ = std::pow(10, std::floor(std::log10(least)));
  }

  bool is_logarithmic() const { return logarithmic_; }

  double length(double milliseconds) const {
    if (most_ <= 0)
      return 0;
    const double part =
        logarithmic_ ? std::log(std::max(milliseconds, from_) / from_) / std::log(most_ / from_)
                     : milliseconds / most_;
    return std::max(part * kBars, 0.5);
  }

  /// Round times for the axis, at most seven.
  std::vector<double> ticks() const {
    std::vector<double> ticks;
    if (logarithmic_) {
      for (double tick = from_; tick <= most_; tick *= 10)
        ticks.push_back(tick);
      return ticks;
    }
    double step = std::pow(10, std::floor(std::log10(std::max(most_, 1e-3))));
    for (const double finer : {2.0, 2.5})
      if (most_ / step < 3)
        step /= finer;
    for (double tick = 0; tick <= most_; tick += step)
      ticks.push_back(tick);
    return ticks;
  }

 private:
  bool logarithmic_ = false;
  double from_ = 1;
  double most_ = 0;
};

std::string axis(const Scale& scale, double bottom) {
  std::string svg;
  for (const double tick : scale.ticks()) {
    const double x = kLeft + (tick > 0 ? scale.length(tick) : 0);
    svg += std::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" "
                       "class=\"grid\"/>\n",
                       x, kTop - 8, bottom);
    svg += text_at(x, bottom + 16, "quiet", tick > 0 ? short_time(tick) : "0", "middle");
  }
  return svg +
         text_at(kLeft, bottom + 36, "quiet",
                 scale.is_logarithmic()
                     ? "time to the first token, logarithmic scale: each line is ten times "
                       "the one before"
                     : "time to the first token; the thin lines: least and most of the repeats");
}

std::string bar(const Result& result, const Row& row, const Scale& scale, double y) {
  const bool is_cold = &row == &result.rows.front();
  const Spread spread = spread_of(row.ttft_ms);
  const double middle = y + kBar / 2;
  std::string svg = text_at(kLeft - 10, middle + 4.5, "", title(result, row), "end");
  svg += std::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"2\" "
                     "class=\"{}\"/>\n",
                     kLeft, y, scale.length(spread.median), kBar, is_cold ? "cold" : "warm");
  if (row.ttft_ms.size() > 1)
    svg += std::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" "
                       "class=\"spread\"/>\n",
                       kLeft + scale.length(spread.min), middle, kLeft + scale.length(spread.max),
                       middle);
  std::string figure = short_time(spread.median);
  if (!is_cold)
    figure += std::format("  ({:.{}f}x)", speedup(result, row), speedup(result, row) < 10 ? 1 : 0);
  return svg + text_at(kLeft + scale.length(spread.max) + 10, middle + 4.5, "", figure);
}

} // namespace

std::string chart_svg(const Result& result) {
  const Scale scale(result);
  const double bottom = kTop + kRow * static_cast<double>(result.rows.size());
  const double height = bottom + 52;
  std::string svg = std::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\" aria-labelledby=\"what\">\n<title id=\"what\">{2}</title>\n"
      "<style>{3}</style>\n",
      kWidth, height, escaped("Time to the first token: " + what_was_measured(result)), kStyle);
  svg += std::format("<rect x=\"0.5\" y=\"0.5\" width=\"{:.0f}\" height=\"{:.0f}\" rx=\"6\" "
                     "class=\"ground\"/>\n",
                     kWidth - 1, height - 1);
  svg += text_at(20, 30, "title", "Time to the first token");
  svg += text_at(20, 49, "quiet", what_was_measured(result));
  svg += text_at(20, 66, "quiet",
                 std::format("{}, anyclaude {}, {}", result.machine.sentence(), result.version,
                             result.date.substr(0, 10)));
  svg += axis(scale, bottom);
  for (std::size_t i = 0; i < result.rows.size(); ++i)
    svg += bar(result, result.rows[i], scale, kTop + kRow * static_cast<double>(i));
  return svg + "</svg>\n";
}

} // namespace anyclaude::bench
