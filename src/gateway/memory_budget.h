#pragma once

#include "anthropic/error.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>

namespace anyclaude::gateway {

/// Lets a request in where there is memory for it beside those that are being read: refusing one is
/// better than being ended with all others. What those take that are answered, the system knows.
class MemoryBudget {
 public:
  /// Gives back what was set aside for a request when it is destroyed, on any thread.
  using Share = std::shared_ptr<const void>;

  /// `left` says how many bytes this process can take before the system ends it; empty: as many as
  /// are wanted. No body is larger than `largest_body`, in bytes.
  MemoryBudget(std::function<std::uint64_t()> left, std::size_t largest_body)
      : left_(std::move(left)), largest_body_(largest_body) {}

  /// For a request whose body has so many bytes; 0 where it does not say. The error is an overload.
  std::expected<Share, anthropic::Error> take(std::size_t body_bytes) const;

 private:
  const std::function<std::uint64_t()> left_;
  const std::size_t largest_body_;
  const std::shared_ptr<std::atomic<std::uint64_t>> set_aside_ =
      std::make_shared<std::atomic<std::uint64_t>>(0); // bytes
};

} // namespace anyclaude::gateway
