#pragma once

#include "kv/block_files.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace anyclaude::kv {

struct DiskTierOptions {
  std::uint64_t queue_bytes = 256U << 20; // of cells that wait to be written
  double share = 0.04; // of a processor's time that writing takes while others compute
  int readers = 2;     // threads, so that one checks while one reads
  std::chrono::milliseconds retry{15'000}; // after an error, until writing is tried again
  std::chrono::milliseconds flush{2'000};  // how long the index may be behind
  /// Called once when writing fails, and once when it works again. On the writer's thread.
  std::function<void(const std::string& what)> on_trouble{};
  std::function<void()> on_recovery{};
  /// Called when outcomes() has something new, and when is_off() is over. On the writer's thread.
  std::function<void()> on_outcome{};
};

/// Writes and reads block files on threads of its own, so that neither the engine's thread nor
/// a restore waits for a disk that writes. A disk that is full, forbidden or broken switches
/// writing off until it works again; nothing else is harmed. All functions are thread-safe.
class DiskTier {
 public:
  DiskTier(std::unique_ptr<BlockFiles> files, DiskTierOptions options);
  ~DiskTier(); // writes what waits, unless writing fails
  DiskTier(const DiskTier&) = delete;
  DiskTier& operator=(const DiskTier&) = delete;

  const BlockFiles& files() const { return *files_; }

  /// Whether processors are wanted for computing. Writing takes a small share of one then, so that
  /// what was computed is written bit by bit and the rest once that is over; unless an eighth of
  /// what may wait does.
  void computing(bool any);

  /// Takes a block to be written. False when it cannot be now: too much waits, or writing is off.
  bool write(BlockPointer block, double seconds);
  void remove(const BlockKey& key);
  void touch(const BlockKey& key, const BlockUse& use);
  /// Counts what requests found. Quick.
  void count(const StoreTotals& more);
  /// See BlockFiles::write_rates().
  void write_rates(std::string text);

  struct Outcome {
    BlockKey key;
    std::uint64_t file_size = 0;
    bool is_durable = false; // or it was not written
  };
  /// What has become of blocks since the last call.
  std::vector<Outcome> outcomes();

  /// Whether writing was switched off by an error and is not to be tried again yet.
  bool is_off() const;

  struct Coming {};
  using Reading = std::variant<Coming, BlockPointer, Damage>;
  /// Starts to read a block, or says what came of it. What was read is handed out once, and
  /// forgotten when nobody asks for it in time.
  Reading read(const BlockKey& key);
  /// Starts to read a block that will be asked for.
  void expect(const BlockKey& key);
  /// Nobody waits for a block any more: it is not read, or not kept.
  void forget(const BlockKey& key);
  /// Milliseconds that reading and checking so many bytes takes, by the last ones.
  std::optional<double> read_time(std::size_t bytes) const;
  /// What is known of that before anything was read.
  void expect_read_time(double bytes, double milliseconds);
  /// Waits until a block that was asked for is there or proved damaged, or for so long.
  void wait(const BlockKey& key, std::chrono::milliseconds at_most);
  /// Room that the next block may be read into.
  void recycle(std::vector<std::byte> cells);

 private:
  struct Write {
    BlockPointer block;
    double seconds = 0;
  };
  struct Remove {
    BlockKey key;
  };
  struct Touch {
    BlockKey key;
    BlockUse use;
  };
  using Clock = std::chrono::steady_clock;
  struct Rates {
    std::string text;
  };
  using Change = std::variant<Write, Remove, Touch, Rates>;

  void want(const BlockKey& key);
  void run_writer();
  void run_reader();
  std::optional<Change> next_change();
  void change(const Change& change);
  void tell_outcomes();
  void give_up(const std::function<bool(const Block&)>& which);
  void failed(int error);
  void worked();

  std::unique_ptr<BlockFiles> files_;
  DiskTierOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool off_ = false;
  Clock::time_point off_until_;
  bool retry_is_due_ = false; // and nobody was told so far that is_off() is over
  std::deque<Change> changes_;
  bool index_is_behind_ = false;
  bool is_computing_ = false;
  Clock::time_point flushed_; // the writer's alone
  Clock::time_point rested_;  // the writer's alone: when it may go on while others compute
  std::uint64_t waiting_bytes_ = 0;
  std::vector<Outcome> outcomes_;
  std::deque<BlockKey> wanted_;
  std::map<BlockKey, Reading> reading_; // what was asked for
  std::deque<BlockKey> read_;           // of them those that were read, in order
  std::vector<std::vector<std::byte>> spare_;
  std::size_t spare_bytes_ = 0;
  double read_bytes_ = 0; // later ones counting more
  double read_ms_ = 0;

  std::thread writer_;
  std::vector<std::thread> readers_;
};

} // namespace anyclaude::kv
