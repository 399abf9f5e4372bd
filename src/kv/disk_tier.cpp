#include "kv/disk_tier.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <format>
#include <utility>

namespace anyclaude::kv {

namespace {

constexpr std::size_t kMostRead = 64;               // blocks that were read and not fetched
constexpr std::size_t kMostSpare = 4;               // buffers for what is read next
constexpr std::size_t kMostSpareBytes = 128U << 20; // of them
constexpr double kDecay = 0.98;                     // of an older measurement's weight

/// Nobody waits for what is written. A writer that takes a processor from one of the threads that
/// compute a token holds up all of them, since they wait for each other many times in each.
void give_way() {
#ifdef __linux__            // where it concerns this thread alone
  constexpr int kNice = 10; // a tenth of what others get; with 19 it would be next to nothing
  ::setpriority(PRIO_PROCESS, 0, kNice);
#endif
}

/// Of a processor, by the calling thread.
std::chrono::nanoseconds time_used() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

} // namespace

DiskTier::DiskTier(std::unique_ptr<BlockFiles> files, DiskTierOptions options)
    : files_(std::move(files)), options_(std::move(options)), writer_([this] { run_writer(); }) {
  for (int i = 0; i < options_.readers; ++i)
    readers_.emplace_back([this] { run_reader(); });
}

DiskTier::~DiskTier() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  writer_.join();
  for (std::thread& reader : readers_)
    reader.join();
}

bool DiskTier::is_off() const {
  const std::scoped_lock lock(mutex_);
  return off_ && std::chrono::steady_clock::now() < off_until_;
}

void DiskTier::computing(bool any) {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(is_computing_, any) && !any)
    changed_.notify_all();
}

bool DiskTier::write(BlockPointer block, double seconds) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t bytes = block->bytes();
  const bool waits = off_ && (std::chrono::steady_clock::now() < off_until_ || waiting_bytes_ > 0);
  const bool full = waiting_bytes_ > 0 && waiting_bytes_ + bytes > options_.queue_bytes;
  if (stopping_ || waits || full)
    return false;
  waiting_bytes_ += bytes;
  changes_.push_back(Write{std::move(block), seconds});
  changed_.notify_all();
  return true;
}

/// What still waits to be written never is: it may be what somebody wants to be rid of.
void DiskTier::remove(const BlockKey& key) {
  const std::scoped_lock lock(mutex_);
  if (waiting_bytes_ > 0)
    give_up([&key](const Block& block) { return block.key == key; });
  changes_.push_back(Remove{key});
  changed_.notify_all();
}

void DiskTier::touch(const BlockKey& key, const BlockUse& use) {
  const std::scoped_lock lock(mutex_);
  changes_.push_back(Touch{key, use});
  changed_.notify_all();
}

void DiskTier::count(const StoreTotals& more) {
  files_->index().add(more);
  const std::scoped_lock lock(mutex_);
  index_is_behind_ = true;
  changed_.notify_all();
}

void DiskTier::write_rates(std::string text) {
  const std::scoped_lock lock(mutex_);
  changes_.push_back(Rates{std::move(text)});
  changed_.notify_all();
}

std::vector<DiskTier::Outcome> DiskTier::outcomes() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(outcomes_, {});
}

/// Waits for the next change that may be made now, and meanwhile brings the index up to date.
/// Nothing: it is the end.
std::optional<DiskTier::Change> DiskTier::next_change() {
  std::unique_lock lock(mutex_);
  const auto any = [this] { return stopping_ || !changes_.empty(); };
  const auto has_work = [&] { return any() || index_is_behind_; };
  const auto at_once = [this] {
    return stopping_ || !is_computing_ || waiting_bytes_ > options_.queue_bytes / 8;
  };
  for (;;) {
    if (retry_is_due_ && Clock::now() >= off_until_) {
      retry_is_due_ = false;
      lock.unlock();
      if (options_.on_outcome)
        options_.on_outcome();
      lock.lock();
    }
    if (!retry_is_due_)
      changed_.wait(lock, has_work);
    else if (!changed_.wait_until(lock, off_until_, has_work))
      continue;
    if (index_is_behind_ && (Clock::now() >= flushed_ + options_.flush ||
                             !changed_.wait_until(lock, flushed_ + options_.flush, any))) {
      index_is_behind_ = false;
      lock.unlock();
      flushed_ = Clock::now();
      files_->index().flush();
      lock.lock();
    }
    if (!any())
      continue;
    if (changes_.empty())
      return std::nullopt;
    changed_.wait_until(lock, rested_, at_once);
    Change next = std::move(changes_.front());
    changes_.pop_front();
    index_is_behind_ = true;
    return next;
  }
}

void DiskTier::run_writer() {
  give_way();
  auto before = time_used();
  while (const auto next = next_change()) {
    change(*next);
    const auto after = time_used();
    rested_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                 (after - std::exchange(before, after)) * (1 / options_.share - 1));
  }
  files_->index().flush();
}

void DiskTier::change(const Change& change) {
  if (const auto* touched = std::get_if<Touch>(&change)) {
    files_->touch(touched->key, touched->use);
    return;
  }
  if (const auto* removed = std::get_if<Remove>(&change)) {
    if (files_->acquire())
      files_->remove(removed->key);
    tell_outcomes(); // of what waited
    return;
  }
  if (const auto* rates = std::get_if<Rates>(&change)) {
    if (files_->acquire())
      files_->write_rates(rates->text);
    return;
  }
  const auto& [block, seconds] = std::get<Write>(change);
  // Another process that writes is no trouble: it stores the same.
  auto written = files_->acquire();
  if (written)
    written = files_->write(*block, seconds);
  else if (written.error() == EWOULDBLOCK)
    written = std::unexpected(0);
  if (written)
    worked();
  else
    failed(written.error());
  {
    const std::scoped_lock lock(mutex_);
    waiting_bytes_ -= block->bytes();
    outcomes_.push_back({block->key, block_file_size(*block), written.has_value()});
  }
  tell_outcomes();
}

void DiskTier::tell_outcomes() {
  {
    const std::scoped_lock lock(mutex_);
    if (outcomes_.empty())
      return;
  }
  if (options_.on_outcome)
    options_.on_outcome();
}

/// Takes blocks out of the queue. With the lock held.
void DiskTier::give_up(const std::function<bool(const Block&)>& which) {
  std::erase_if(changes_, [&](const Change& change) {
    const auto* write = std::get_if<Write>(&change);
    if (!write || !which(*write->block))
      return false;
    waiting_bytes_ -= write->block->bytes();
    outcomes_.push_back({write->block->key, block_file_size(*write->block), false});
    return true;
  });
}

/// Switches writing off, and gives up what waits for it.
void DiskTier::failed(int error) {
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    first = !off_;
    off_ = retry_is_due_ = true;
    off_until_ = std::chrono::steady_clock::now() + options_.retry;
    give_up([](const Block& /*any*/) { return true; });
  }
  if (first && options_.on_trouble)
    options_.on_trouble(error == 0 ? std::string("another process writes to it")
                                   : std::string(std::strerror(error)));
}

void DiskTier::worked() {
  {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(off_, false))
      return;
  }
  if (options_.on_recovery)
    options_.on_recovery();
}

DiskTier::Reading DiskTier::read(const BlockKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = reading_.find(key);
  if (found == reading_.end()) {
    want(key);
    return Coming{};
  }
  if (std::holds_alternative<Coming>(found->second))
    return Coming{};
  Reading result = std::move(found->second);
  reading_.erase(found);
  std::erase(read_, key);
  return result;
}

void DiskTier::expect(const BlockKey& key) {
  const std::scoped_lock lock(mutex_);
  if (!reading_.contains(key))
    want(key);
}

void DiskTier::forget(const BlockKey& key) {
  const std::scoped_lock lock(mutex_);
  reading_.erase(key);
  std::erase(read_, key);
  std::erase(wanted_, key);
}

/// With the lock held.
void DiskTier::want(const BlockKey& key) {
  reading_[key] = Coming{};
  wanted_.push_back(key);
  changed_.notify_all();
}

std::optional<double> DiskTier::read_time(std::size_t bytes) const {
  const std::scoped_lock lock(mutex_);
  if (read_bytes_ <= 0)
    return std::nullopt;
  return read_ms_ / read_bytes_ * static_cast<double>(bytes);
}

void DiskTier::expect_read_time(double bytes, double milliseconds) {
  const std::scoped_lock lock(mutex_);
  read_bytes_ = bytes;
  read_ms_ = milliseconds;
}

void DiskTier::wait(const BlockKey& key, std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, at_most, [&] {
    const auto found = reading_.find(key);
    return found == reading_.end() || !std::holds_alternative<Coming>(found->second);
  });
}

void DiskTier::recycle(std::vector<std::byte> cells) {
  const std::scoped_lock lock(mutex_);
  if (spare_.size() >= kMostSpare || spare_bytes_ + cells.capacity() > kMostSpareBytes)
    return;
  spare_bytes_ += cells.capacity();
  spare_.push_back(std::move(cells));
}

void DiskTier::run_reader() {
  for (;;) {
    BlockKey key;
    std::vector<std::byte> cells;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !wanted_.empty(); });
      if (stopping_)
        return;
      key = wanted_.front();
      wanted_.pop_front();
      if (!spare_.empty()) {
        cells = std::move(spare_.back());
        spare_.pop_back();
        spare_bytes_ -= cells.capacity();
      }
    }
    const auto started = std::chrono::steady_clock::now();
    auto block = files_->read(key, std::move(cells));
    const std::chrono::duration<double, std::milli> took =
        std::chrono::steady_clock::now() - started;
    const std::scoped_lock lock(mutex_);
    if (block) {
      read_bytes_ = read_bytes_ * kDecay + static_cast<double>(block->bytes());
      read_ms_ = read_ms_ * kDecay + took.count() / options_.readers; // they work side by side
    }
    const auto wanted = reading_.find(key);
    if (wanted == reading_.end())
      continue; // it was forgotten meanwhile
    if (block)
      wanted->second = BlockPointer(std::make_shared<Block>(std::move(*block)));
    else
      wanted->second = block.error();
    read_.push_back(key);
    if (read_.size() > kMostRead) { // whoever wanted it has gone
      reading_.erase(read_.front());
      read_.pop_front();
    }
    changed_.notify_all();
  }
}

} // namespace anyclaude::kv
