#include "gateway/memory_budget.h"

#include <algorithm>
#include <format>

namespace anyclaude::gateway {

namespace {

constexpr std::uint64_t kOfAny = 16U << 20; // bytes: its answer, and what is computed for it
constexpr std::uint64_t kOfEachByte = 16;   // its JSON, its prompt and its tokens at once

} // namespace

std::expected<MemoryBudget::Share, anthropic::Error>
MemoryBudget::take(std::size_t body_bytes) const {
  const std::uint64_t reading = kOfEachByte * std::min(body_bytes, largest_body_);
  if (left_) {
    const std::uint64_t all = left_();
    const std::uint64_t left = all - std::min(all, set_aside_->load());
    if (left < kOfAny + reading)
      return std::unexpected(anthropic::Error{
          anthropic::ErrorKind::overloaded,
          std::format(
              "This machine (or the daemon's container or ulimit) has {} MiB of memory left, "
              "and this request may take {} MiB. End something else, or try again later.",
              left >> 20, (kOfAny + reading) >> 20)});
  }
  *set_aside_ += reading;
  return Share(nullptr, [set_aside = set_aside_, reading](const void*) { *set_aside -= reading; });
}

} // namespace anyclaude::gateway
