#pragma once

#include "anthropic/events.h"
#include "telemetry/live.h"
#include "telemetry/stats.h"

#include <chrono>
#include <functional>
#include <utility>

namespace anyclaude::gateway {

inline constexpr int kClientLeft = 499; // the status of an answer that nobody waited for

/// What one request for a message costs, from its arrival to its end. Not thread-safe.
class RequestAccount {
 public:
  using Clock = std::chrono::steady_clock;
  using OnEnd = std::function<void(telemetry::RequestRecord)>;

  /// `record`: what is known before the answer. `live`: hears that the request has begun and ended;
  /// outlives the account. `on_end`: called once, when the numbers are final.
  RequestAccount(telemetry::RequestRecord known, Clock::time_point received, telemetry::Live* live,
                 OnEnd on_end)
      : record(std::move(known)), received_(received), live_(live), on_end_(std::move(on_end)) {
    if (live_ != nullptr) {
      live_->began(record.id, record.session, record.model, received_);
    }
  }

  double elapsed_ms() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - received_).count();
  }

  void count(const anthropic::Usage& usage) {
    record.reused_tokens = usage.cache_read_input_tokens;
    record.computed_tokens = usage.input_tokens + usage.cache_creation_input_tokens;
    record.prompt_tokens = record.reused_tokens + record.computed_tokens;
    record.output_tokens = usage.output_tokens;
  }

  /// A part of the answer that the client sees; the first counts.
  void said_something() {
    if (!record.ttft_ms) {
      record.ttft_ms = elapsed_ms();
    }
  }

  void end(int status) {
    if (live_ != nullptr) {
      live_->ended(record.id);
    }
    record.status = status;
    record.total_ms = elapsed_ms();
    on_end_(record);
  }

  telemetry::RequestRecord record;

 private:
  const Clock::time_point received_;
  telemetry::Live* const live_;
  const OnEnd on_end_;
};

} // namespace anyclaude::gateway
