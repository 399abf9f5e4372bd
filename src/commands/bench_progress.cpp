#include "commands/bench_progress.h"

#include "text/quantity.h"

#include <algorithm>
#include <cmath>
#include <format>

namespace anyclaude::commands {

namespace {

using namespace std::chrono_literals;

// Seconds; the first step is the one that computes everything.
constexpr double kFirstStep = 20;
constexpr double kOtherStep = 2;

} // namespace

BenchProgress::BenchProgress(int repeats, std::vector<std::string> steps)
    : repeats_(repeats), steps_(std::move(steps)), line_("", 2s) {}

double BenchProgress::seconds_of(const std::string& step) const {
  const auto found = measured_.find(step);
  if (found != measured_.end())
    return found->second;
  return step == steps_.front() ? kFirstStep : kOtherStep;
}

bool BenchProgress::knows_all() const {
  return measured_.size() == steps_.size();
}

void BenchProgress::begin(int repeat, const std::string& step) {
  repeat_ = repeat;
  step_ = step;
  began_ = Clock::now();
  line_.rename(std::format("repeat {} of {}: {}", repeat + 1, repeats_, step));
  show(-1);
}

void BenchProgress::show(double part) {
  double all = 0;
  double done = 0;
  bool is_before = true;
  for (const std::string& step : steps_) {
    is_before = is_before && step != step_;
    all += seconds_of(step);
    done += is_before ? seconds_of(step) : 0;
  }
  const double passed = std::chrono::duration<double>(Clock::now() - began_).count();
  const double own = seconds_of(step_);
  done += own * (part >= 0 ? part : std::min(passed / own, 0.95)) + all * repeat_;
  all *= repeats_;
  line_.show(done / all,
             knows_all()
                 ? std::format("about {} left",
                               text::duration(std::llround(std::max(1.0, all - done)) * 1000))
                 : std::format("{:.0f} s", passed));
}

void BenchProgress::end() {
  measured_[step_] = std::chrono::duration<double>(Clock::now() - began_).count();
  line_.clear();
}

} // namespace anyclaude::commands
