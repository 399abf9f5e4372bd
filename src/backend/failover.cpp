#include "backend/failover.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>
#include <variant>

namespace anyclaude::backend {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;

/// Whether another server may do better. What is wrong with the request is wrong everywhere.
bool is_the_servers(ErrorKind kind) {
  return kind == ErrorKind::overloaded || kind == ErrorKind::rate_limit || kind == ErrorKind::api;
}

void note_failure(Replica& replica, ErrorKind kind) {
  if (kind == ErrorKind::overloaded)
    replica.note_dead();
  else if (kind == ErrorKind::api)
    replica.note(false);
  else
    replica.note(true); // it refuses, so it is there
}

/// A request on its way through its candidates. Held by its Generation and by the sinks it gives to
/// the backends.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(std::vector<Candidate> candidates, const anthropic::Request& request, Caller caller,
       EventSink sink, RetryThread& retries)
      : candidates_(std::move(candidates)), caller_(std::move(caller)), retries_(retries),
        sink_(std::move(sink)), works_(candidates_.size()) {
    if (candidates_.size() > 1) // else it is asked while the caller's is still there
      kept_ = request;
  }

  /// From the first candidate on, until one has begun. The error is of all of them.
  std::expected<void, Error> begin(const anthropic::Request& request);

  /// Nothing is said any more once this has returned.
  void cancel();

 private:
  struct Guard; // of a sink: tells when the backend has let go of it
  enum class Begun { yes, next_may, no };

  Begun try_candidate(std::size_t index, const anthropic::Request& request);
  void go_on();
  void on_event(std::size_t index, anthropic::Event event);
  void end(const anthropic::Event& event); // locked
  void failed(std::size_t index, const Error& error);
  Error error_of_all() const;

  const std::vector<Candidate> candidates_;
  const Caller caller_;
  RetryThread& retries_;
  std::optional<anthropic::Request> kept_;

  std::mutex mutex_;
  EventSink sink_;
  std::vector<std::unique_ptr<Generation>> works_; // by candidate
  std::size_t current_ = 0;
  bool waits_for_next_ = false; // the current one has failed and the next is not yet asked
  bool visible_ = false;        // the client has been sent a part of the answer
  bool over_ = false;
  std::optional<Error> first_error_;
  std::string tried_; // after the first, with what was wrong
};

struct Race::Guard {
  std::shared_ptr<Race> race;
  std::size_t index;
  bool spent = false; // the backend has refused: letting go says nothing more
  ~Guard() {
    if (!spent)
      race->on_event(index, anthropic::Failed{{ErrorKind::api, race->candidates_[index].name +
                                                                   " stopped without an end."}});
  }
};

std::expected<void, Error> Race::begin(const anthropic::Request& request) {
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Begun begun = try_candidate(i, request);
    if (begun == Begun::yes)
      return {};
    if (begun == Begun::no)
      break;
  }
  const std::scoped_lock lock(mutex_);
  over_ = true;
  return std::unexpected(error_of_all());
}

Race::Begun Race::try_candidate(std::size_t index, const anthropic::Request& request) {
  const Candidate& candidate = candidates_[index];
  {
    const std::scoped_lock lock(mutex_);
    if (over_)
      return Begun::no;
    current_ = index;
    waits_for_next_ = false;
  }
  // Kept here too until start() has returned: only then is it known what letting go of it means.
  const auto guard = std::make_shared<Guard>(shared_from_this(), index);
  EventSink sink = [guard](anthropic::Event event) {
    guard->race->on_event(guard->index, std::move(event));
  };
  Caller caller = caller_;
  caller.model = candidate.model;
  ++candidate.replica->running;
  auto work = candidate.replica->backend().start(request, caller, std::move(sink));
  if (!work) {
    guard->spent = true;
    --candidate.replica->running;
    note_failure(*candidate.replica, work.error().kind);
    const std::scoped_lock lock(mutex_);
    failed(index, work.error());
    return is_the_servers(work.error().kind) ? Begun::next_may : Begun::no;
  }
  std::unique_ptr<Generation> unwanted; // destroyed without the lock: it waits for its last event
  {
    const std::scoped_lock lock(mutex_);
    const bool is_current = index == current_ && !over_;
    (is_current ? works_[index] : unwanted) = std::move(*work);
  }
  if (unwanted) {
    unwanted.reset();
    --candidate.replica->running;
  }
  return Begun::yes;
}

/// On the retry thread: the current candidate has failed while it answered.
void Race::go_on() {
  std::unique_ptr<Generation> done;
  std::size_t next = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (over_)
      return;
    done = std::move(works_[current_]);
    next = current_ + 1;
  }
  if (done) {
    done.reset();
    --candidates_[next - 1].replica->running;
  }
  for (; next < candidates_.size(); ++next) {
    const Begun begun = try_candidate(next, *kept_);
    if (begun == Begun::yes)
      return;
    if (begun == Begun::no)
      break;
  }
  const std::scoped_lock lock(mutex_);
  if (!over_)
    end(anthropic::Failed{error_of_all()});
}

void Race::on_event(std::size_t index, anthropic::Event event) {
  const std::scoped_lock lock(mutex_);
  if (over_ || index != current_ || waits_for_next_)
    return;
  Replica& replica = *candidates_[index].replica;
  if (const auto* failure = std::get_if<anthropic::Failed>(&event)) {
    note_failure(replica, failure->error.kind);
    if (visible_ || !is_the_servers(failure->error.kind))
      return end(event);
    failed(index, failure->error);
    if (index + 1 == candidates_.size())
      return end(anthropic::Failed{error_of_all()});
    spdlog::info("{} failed before its answer began: the next one is asked",
                 candidates_[index].name);
    waits_for_next_ = true;
    retries_.post([self = shared_from_this()] { self->go_on(); });
    return;
  }
  if (std::holds_alternative<anthropic::Finished>(event)) {
    replica.note(true);
    return end(event);
  }
  visible_ = visible_ || !std::holds_alternative<anthropic::PrefillProgress>(event);
  sink_(std::move(event));
}

void Race::end(const anthropic::Event& event) {
  over_ = true;
  sink_(event);
}

void Race::failed(std::size_t index, const Error& error) {
  if (!is_the_servers(error.kind)) { // it is the client's to mend, whatever went wrong before
    first_error_ = error;
    tried_.clear();
  } else if (!first_error_) {
    first_error_ = error;
  } else {
    tried_ += " Then " + candidates_[index].name + ": " + error.message;
  }
}

Error Race::error_of_all() const {
  Error error = first_error_.value_or(Error{ErrorKind::api, "No server could be asked."});
  error.message += tried_;
  return error;
}

void Race::cancel() {
  std::vector<std::unique_ptr<Generation>> works;
  EventSink sink; // what it holds may end with it, so not under the lock
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
    works.swap(works_);
    works_.resize(candidates_.size());
    sink.swap(sink_);
  }
  for (std::size_t i = 0; i < works.size(); ++i) {
    if (works[i]) {
      works[i].reset();
      --candidates_[i].replica->running;
    }
  }
}

class FailoverGeneration : public Generation {
 public:
  explicit FailoverGeneration(std::shared_ptr<Race> race) : race_(std::move(race)) {}
  ~FailoverGeneration() override { race_->cancel(); }

 private:
  std::shared_ptr<Race> race_;
};

} // namespace

RetryThread::RetryThread() : thread_([this] { run(); }) {}

RetryThread::~RetryThread() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void RetryThread::post(std::function<void()> work) {
  {
    const std::scoped_lock lock(mutex_);
    work_.push_back(std::move(work));
  }
  changed_.notify_all();
}

void RetryThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !work_.empty(); });
    if (ending_)
      return;
    auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

std::expected<std::unique_ptr<Generation>, Error>
start_with_failover(std::vector<Candidate> candidates, const anthropic::Request& request,
                    const Caller& caller, EventSink sink, RetryThread& retries) {
  auto race =
      std::make_shared<Race>(std::move(candidates), request, caller, std::move(sink), retries);
  if (auto begun = race->begin(request); !begun)
    return std::unexpected(begun.error());
  return std::make_unique<FailoverGeneration>(std::move(race));
}

} // namespace anyclaude::backend
