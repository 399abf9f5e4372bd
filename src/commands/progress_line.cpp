#include "commands/progress_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <format>

namespace anyclaude::commands {

namespace {

constexpr int kWidth = 24; // characters

std::string bar(double part) {
  constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::floor(part * kWidth * 8));
  std::string text;
  for (int i = 0; i < eighths / 8; ++i)
    text += "█";
  text += kEighths[static_cast<std::size_t>(eighths % 8)];
  text.append(static_cast<std::size_t>(kWidth - (eighths + 7) / 8), ' ');
  return text;
}

} // namespace

void ProgressLine::show(double part, const std::string& behind) {
  if (std::chrono::steady_clock::now() < from_)
    return;
  const double shown = std::clamp(part, 0.0, 1.0);
  line_.write(std::format("{}  {} {:3.0f}%{}{}", what_, bar(shown), std::floor(shown * 100),
                          behind.empty() ? "" : "  ", behind));
}

} // namespace anyclaude::commands
