#include "telemetry/stats.h"

#include "telemetry/history.h"

#include <cmath>
#include <utility>

namespace anyclaude::telemetry {
namespace {

/// Below this many tokens a prefill's fixed costs say more than its tokens do.
constexpr std::int64_t kMeasurableTokens = 64;
constexpr int kClientLeft = 499;

} // namespace

void accumulate(Totals& totals, const RequestRecord& record) {
  ++totals.requests;
  totals.errors += record.status >= 400 && record.status != kClientLeft ? 1 : 0;
  totals.prompt_tokens += record.prompt_tokens;
  totals.reused_tokens += record.reused_tokens;
  totals.computed_tokens += record.computed_tokens;
  totals.output_tokens += record.output_tokens;
}

Stats::Stats() = default;

Stats::Stats(std::unique_ptr<History> history) : history_(std::move(history)) {}

Stats::~Stats() = default;

void Stats::add(RequestRecord record) {
  const std::scoped_lock lock(mutex_);
  accumulate(total_, record);
  if (record.ttft_ms) {
    const bool is_warm = record.reused_tokens * 2 >= record.prompt_tokens;
    (is_warm ? first_tokens_.warm : first_tokens_.cold).add(*record.ttft_ms / 1000);
  }
  if (record.prefill_ms && record.computed_tokens >= kMeasurableTokens) {
    measured_ms_ += *record.prefill_ms;
    measured_tokens_ += record.computed_tokens;
  }
  if (!record.session.empty()) {
    const auto known = by_id_.find(record.session);
    if (known != by_id_.end()) {
      sessions_.splice(sessions_.begin(), sessions_, known->second);
    } else {
      sessions_.push_front({record.session, {}});
      by_id_[record.session] = sessions_.begin();
    }
    accumulate(sessions_.front().totals, record);
    if (sessions_.size() > kSessions) {
      by_id_.erase(sessions_.back().id);
      sessions_.pop_back();
    }
  }
  record.saved_ms = estimate(record.reused_tokens);
  if (history_)
    history_->add(record);
  records_.push_back(std::move(record));
  if (records_.size() > kRecords) {
    records_.pop_front();
  }
}

std::int64_t Stats::estimate(std::int64_t reused_tokens) const {
  return measured_tokens_ == 0 ? 0
                               : std::llround(static_cast<double>(reused_tokens) * measured_ms_ /
                                              static_cast<double>(measured_tokens_));
}

Totals Stats::with_estimate(Totals totals) const {
  totals.saved_ms = estimate(totals.reused_tokens);
  return totals;
}

Totals Stats::total() const {
  const std::scoped_lock lock(mutex_);
  return with_estimate(total_);
}

FirstTokens Stats::first_tokens() const {
  const std::scoped_lock lock(mutex_);
  return first_tokens_;
}

Totals Stats::session(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? Totals{} : with_estimate(known->second->totals);
}

std::vector<RequestRecord> Stats::records(std::optional<std::string_view> session) const {
  const std::scoped_lock lock(mutex_);
  std::vector<RequestRecord> out;
  for (const RequestRecord& record : records_) {
    if (!session || record.session == *session) {
      out.push_back(record);
    }
  }
  return out;
}

} // namespace anyclaude::telemetry
