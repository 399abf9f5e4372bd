#include "text/random_text.h"

#include <random>
#include <string_view>

namespace anyclaude::text {

std::string random_text(std::size_t length) {
  constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // Making one asks the processor what it can do: tens of microseconds in a virtual machine.
  thread_local std::random_device device;
  std::uniform_int_distribution<std::size_t> digit(0, kDigits.size() - 1);
  std::string text;
  for (std::size_t i = 0; i < length; ++i)
    text += kDigits[digit(device)];
  return text;
}

} // namespace anyclaude::text
