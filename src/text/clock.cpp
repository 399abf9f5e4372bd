#include "text/clock.h"

#include <chrono>
#include <ctime>

namespace anyclaude::text {

std::int64_t unix_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string clock_time(std::int64_t milliseconds) {
  const std::time_t seconds = milliseconds / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::string text(16, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%H:%M:%S", &local));
  return text;
}

} // namespace anyclaude::text
