#pragma once

#include "database/database.h"
#include "prompt/replay_memory.h"
#include "text/kept_key.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace anyclaude::prompt {

struct ReplayStoreOptions {
  std::filesystem::path folder;            // exists, and is private
  std::string model;                       // says whose tokens they are; another's are not found
  std::uint64_t bytes = 256U << 20;        // of the turns of all models
  std::chrono::milliseconds retry{15'000}; // after an error, until writing is tried again
};

/// Keeps turns in a file, so that conversations go on with their very tokens after a restart. The
/// conversations used last stay. It holds what was said; see docs/prompt-layout.md.
///
/// Writing is done behind, on a thread of its own. A disk that is full, forbidden or broken
/// switches it off until it works again, with one warning in the log. What is damaged is not used:
/// a turn whose checksum is wrong is dropped, a file that is no database is begun anew. All
/// functions are thread-safe.
class ReplayStore {
 public:
  /// The error says why nothing can be kept there.
  static std::expected<std::unique_ptr<ReplayStore>, std::string> open(ReplayStoreOptions options);
  ~ReplayStore(); // writes what waits, unless writing fails
  ReplayStore(const ReplayStore&) = delete;
  ReplayStore& operator=(const ReplayStore&) = delete;

  /// What conversations' keys are to begin with: a hash of a key that only this folder has, and of
  /// the model. Without it, a key in the file tells nobody what was said.
  const std::string& salt() const { return salt_; }

  struct Stored {
    std::optional<ConversationKey> parent;
    ReplayTurn turn; // without its parent
  };
  /// Reads a turn. Takes some tens of microseconds; not for the engine's thread.
  std::optional<Stored> read(const ConversationKey& key);

  /// Takes a turn to be written, with those in front of it that are not there yet. Never waits.
  void write(std::shared_ptr<const ReplayTurn> turn);
  /// Notes that a conversation goes on here. Never waits.
  void touch(const ConversationKey& key);

  /// Waits until all that was given is written, or given up.
  void flush();

 private:
  ReplayStore(ReplayStoreOptions options, const text::Key& secret);

  /// The statements of one connection.
  struct Reader;
  struct Writer;

  struct Fault {
    std::string what;
    bool is_useless = false; // the file itself
  };
  std::expected<void, Fault> connect();
  std::optional<Stored> stored_turn(const ConversationKey& key);
  void report_damage(const char* what);
  void run_writer();
  std::expected<void, std::string> begin_anew();
  std::expected<void, std::string>
  change(const std::deque<std::shared_ptr<const ReplayTurn>>& turns,
         const std::set<ConversationKey>& used, const std::set<ConversationKey>& damaged);
  bool insert(const ReplayTurn& turn);
  bool make_room();
  void failed(const std::string& why);
  void worked();
  std::vector<std::byte> checksum(const ReplayTurn& turn, const ConversationKey* parent) const;

  const ReplayStoreOptions options_;
  const std::filesystem::path file_;
  const text::Key secret_;
  const std::string salt_;

  std::mutex reading_; // of the reader; never held while writing waits for the disk
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<Writer> writer_; // the writer's thread's

  std::mutex mutex_; // of all that follows
  std::condition_variable changed_;
  bool stopping_ = false;
  bool busy_ = false; // the writer has taken what waited
  bool off_ = false;
  std::chrono::steady_clock::time_point off_until_;
  bool told_of_damage_ = false;
  bool is_broken_ = false; // the file is no database any more
  std::deque<std::shared_ptr<const ReplayTurn>> turns_;
  std::set<ConversationKey> used_;
  std::set<ConversationKey> damaged_;

  std::thread thread_;
};

/// What a folder holds.
struct ReplayTotals {
  std::uint64_t conversations = 0;
  std::uint64_t turns = 0;
  std::uint64_t bytes = 0; // of the turns
};
/// Nothing where there is no readable file.
std::optional<ReplayTotals> replay_totals(const std::filesystem::path& folder);

/// Removes all turns of all models. A daemon that runs meanwhile takes no harm, and keeps what it
/// has in memory. The error says what is in the way.
std::expected<ReplayTotals, std::string> clear_replay(const std::filesystem::path& folder);

} // namespace anyclaude::prompt
