#include "telemetry/live.h"

#include <algorithm>
#include <utility>

namespace anyclaude::telemetry {
namespace {

double ms_between(Live::Clock::time_point from, Live::Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

} // namespace

const char* to_string(Phase phase) {
  switch (phase) {
  case Phase::queued:
    return "queued";
  case Phase::prefill:
    return "prefill";
  case Phase::generating:
    return "generating";
  }
  return "";
}

void Live::enter(Entry& entry, Phase phase) {
  entry.request.phase = phase;
  entry.phase_began = Clock::now();
}

void Live::began(const std::string& id, std::string session, std::string model,
                 Clock::time_point received) {
  const std::scoped_lock lock(mutex_);
  Entry& entry = entries_[id];
  entry.request.id = id;
  entry.request.session = std::move(session);
  entry.request.model = std::move(model);
  entry.number = ++count_;
  entry.received = received;
  entry.phase_began = received;
}

void Live::is_background(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = entries_.find(id); found != entries_.end())
    found->second.request.background = true;
}

void Live::prefilled(const std::string& id, std::int64_t done, std::int64_t total) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end())
    return;
  Entry& entry = found->second;
  if (entry.request.phase == Phase::queued) {
    enter(entry, Phase::prefill);
    entry.first_done = done;
  }
  entry.request.done_tokens = done;
  entry.request.prompt_tokens = total;
}

void Live::answering(const std::string& id, std::int64_t reused, std::int64_t prompt) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end())
    return;
  Entry& entry = found->second;
  enter(entry, Phase::generating);
  entry.request.prompt_tokens = prompt;
  entry.request.done_tokens = prompt;
  entry.request.reused_tokens = reused;
}

void Live::sent_piece(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end())
    return;
  LiveRequest& request = found->second.request;
  if (!request.ttft_ms)
    request.ttft_ms = ms_between(found->second.received, Clock::now());
  ++request.pieces;
}

void Live::ended(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  entries_.erase(id);
}

std::vector<LiveRequest> Live::requests(Clock::time_point now) const {
  std::vector<const Entry*> ordered;
  std::vector<LiveRequest> out;
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, entry] : entries_)
    ordered.push_back(&entry);
  std::ranges::sort(ordered, {}, &Entry::number);
  for (const Entry* entry : ordered) {
    LiveRequest request = entry->request;
    request.waited_ms = ms_between(entry->received, now);
    request.phase_ms = ms_between(entry->phase_began, now);
    const std::int64_t computed = request.done_tokens - entry->first_done;
    if (request.phase == Phase::prefill && computed > 0)
      request.left_ms = request.phase_ms *
                        static_cast<double>(request.prompt_tokens - request.done_tokens) /
                        static_cast<double>(computed);
    out.push_back(std::move(request));
  }
  return out;
}

} // namespace anyclaude::telemetry
