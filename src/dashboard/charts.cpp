#include "dashboard/charts.h"

#include "dashboard/html.h"
#include "telemetry/periods.h"
#include "text/quantity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <vector>

namespace anyclaude::dashboard {
namespace {

using telemetry::RequestRecord;

constexpr double kHeight = 240; // pixels; the width is the page's
constexpr double kLeft = 64;    // for the scale's words; .plot in the style stands behind them
constexpr double kTop = 12;
constexpr double kBottom = 12;

struct Scale {
  double least = 0; // log10 of milliseconds
  double most = 0;

  double y(double milliseconds) const {
    const double part = (std::log10(milliseconds) - least) / (most - least);
    return kHeight - kBottom - part * (kHeight - kTop - kBottom);
  }
};

double shown_ms(const RequestRecord& record) {
  return std::max(record.ttft_ms.value_or(1), 1.0);
}

/// Whole powers of ten around all of them.
Scale scale_of(std::span<const RequestRecord* const> records) {
  double least = shown_ms(*records.front());
  double most = least;
  for (const RequestRecord* record : records) {
    least = std::min(least, shown_ms(*record));
    most = std::max(most, shown_ms(*record));
  }
  Scale scale{std::floor(std::log10(least)), std::ceil(std::log10(most))};
  if (scale.most <= scale.least)
    scale.most = scale.least + 1;
  return scale;
}

std::string grid(const Scale& scale) {
  std::string out;
  for (int power = static_cast<int>(scale.least); power <= scale.most; ++power) {
    const double milliseconds = std::pow(10, power);
    const double y = scale.y(milliseconds);
    out += std::format(R"(<line class="grid" x1="{0}" y1="{1:.1f}" x2="100%" y2="{1:.1f}"/>)"
                       R"(<text class="scale" x="{2}" y="{3:.1f}" text-anchor="end">{4}</text>)",
                       kLeft, y, kLeft - 8, y + 4,
                       milliseconds < 1000 ? std::format("{:.0f} ms", milliseconds)
                                           : std::format("{:.0f} s", milliseconds / 1000));
  }
  return out;
}

enum class Kind { cold, partly, warm };

Kind kind_of(const RequestRecord& record) {
  const double share = record.prompt_tokens > 0 ? static_cast<double>(record.reused_tokens) /
                                                      static_cast<double>(record.prompt_tokens)
                                                : 0;
  return share <= telemetry::kColdShare   ? Kind::cold
         : share >= telemetry::kWarmShare ? Kind::warm
                                          : Kind::partly;
}

const char* shape_of(Kind kind) {
  switch (kind) {
  case Kind::cold:
    return R"(<circle class="cold" r="5"/>)";
  case Kind::warm:
    return R"(<rect class="warm" x="-4" y="-4" width="8" height="8"/>)";
  case Kind::partly:
    return R"(<path class="partly" d="M0 -5l5.5 9h-11z"/>)";
  }
  return "";
}

std::string point(const RequestRecord& record, double percent, double y) {
  return std::format(
      R"(<svg class="point" x="{:.3f}%" y="{:.1f}">{}<title>{}: {} of {} prompt tokens reused</title></svg>)",
      percent, y, shape_of(kind_of(record)), text::duration(std::llround(shown_ms(record))),
      text::grouped(record.reused_tokens), text::grouped(record.prompt_tokens));
}

struct Part {
  const char* name;
  const char* style;
  double ms;
};

/// They sum up to the whole time, as far as it is known what it went into.
std::array<Part, 3> parts_of(const RequestRecord& record) {
  const double first = std::min(record.ttft_ms.value_or(record.total_ms), record.total_ms);
  const double prefill = std::min(record.prefill_ms.value_or(0), first);
  return {{{"waiting", "waiting", first - prefill},
           {"prefill", "prefill", prefill},
           {"answer", "answering", record.total_ms - first}}};
}

} // namespace

std::string first_token_chart(std::span<const RequestRecord> records) {
  std::vector<const RequestRecord*> shown;
  for (const RequestRecord& record : records)
    if (record.ttft_ms)
      shown.push_back(&record);
  if (shown.empty())
    return "<p class=\"empty\">No request has been answered yet.</p>";
  const Scale scale = scale_of(shown);
  const double step = 100 / static_cast<double>(shown.size());
  std::string out = std::format(
      R"(<svg class="chart" width="100%" height="{}" role="img" aria-label="Time to the first token of the last {} requests, oldest first">)",
      kHeight, shown.size());
  out += grid(scale) + "<svg class=\"plot\">";
  double x = step / 2;
  for (const RequestRecord* record : shown) {
    out += point(*record, x, scale.y(shown_ms(*record)));
    x += step;
  }
  return out + "</svg></svg>";
}

std::string waterfall(const RequestRecord& record, double longest_ms) {
  constexpr double kBar = 200;
  const auto parts = parts_of(record);
  std::string words;
  std::string rects;
  double x = 0;
  for (const Part& part : parts) {
    const double width = longest_ms > 0 ? part.ms / longest_ms * kBar : 0;
    rects += std::format(R"(<rect class="{}" x="{:.2f}" y="0" width="{:.2f}" height="12"/>)",
                         part.style, x, width);
    words += std::format("{}{} {}", words.empty() ? "" : ", ", part.name,
                         text::duration(std::llround(part.ms)));
    x += width;
  }
  return std::format(
      R"(<svg class="waterfall" viewBox="0 0 200 12" preserveAspectRatio="none" role="img" aria-label="{0}"><title>{0}</title>{1}</svg>)",
      words, rects);
}

std::string share_bar(std::int64_t part, std::int64_t whole) {
  const double share =
      whole > 0 ? std::clamp(static_cast<double>(part) / static_cast<double>(whole), 0.0, 1.0) : 0;
  return std::format(
      R"(<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" width="100" height="8"/><rect class="warm" width="{:.1f}" height="8"/></svg>)",
      share * 100);
}

} // namespace anyclaude::dashboard
