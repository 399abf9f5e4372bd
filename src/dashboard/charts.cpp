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

constexpr double kWidth = 960;
constexpr double kHeight = 240;
constexpr double kLeft = 64; // for the scale's words
constexpr double kRight = 12;
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
  for (double power = scale.least; power <= scale.most; ++power) {
    const double milliseconds = std::pow(10, power);
    const double y = scale.y(milliseconds);
    out += std::format(R"(<line class="grid" x1="{0}" y1="{2:.1f}" x2="{1}" y2="{2:.1f}"/>)"
                       R"(<text class="scale" x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>)",
                       kLeft, kWidth - kRight, y, kLeft - 8, y + 4,
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

std::string point(const RequestRecord& record, double x, double y) {
  std::string shape;
  switch (kind_of(record)) {
  case Kind::cold:
    shape = std::format(R"(<circle class="cold" cx="{:.1f}" cy="{:.1f}" r="5">)", x, y);
    break;
  case Kind::warm:
    shape = std::format(R"(<rect class="warm" x="{:.1f}" y="{:.1f}" width="8" height="8">)", x - 4,
                        y - 4);
    break;
  case Kind::partly:
    shape = std::format(R"(<path class="partly" d="M{:.1f} {:.1f}l5.5 9h-11z">)", x, y - 5);
    break;
  }
  const char* element = shape.starts_with("<circle") ? "circle"
                        : shape.starts_with("<rect") ? "rect"
                                                     : "path";
  return shape + std::format("<title>{}: {} of {} prompt tokens reused</title></{}>",
                             text::duration(std::llround(shown_ms(record))),
                             text::grouped(record.reused_tokens),
                             text::grouped(record.prompt_tokens), element);
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
  const double step = (kWidth - kLeft - kRight) / static_cast<double>(shown.size());
  std::string out = std::format(
      R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="Time to the first token of the last {} requests, oldest first">)",
      kWidth, kHeight, shown.size());
  out += grid(scale);
  double x = kLeft + step / 2;
  for (const RequestRecord* record : shown) {
    out += point(*record, x, scale.y(shown_ms(*record)));
    x += step;
  }
  return out + "</svg>";
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
