#include "telemetry/history.h"

#include "database/database.h"
#include "text/clock.h"

#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <condition_variable>
#include <deque>
#include <format>
#include <mutex>
#include <thread>
#include <utility>

namespace anyclaude::telemetry {
namespace {

using database::Connection;
using database::Statement;

constexpr int kFormat = 1;                   // of the table, kept as the file's user_version
constexpr std::size_t kMostWaiting = 10'000; // records; older ones are given up
constexpr std::chrono::seconds kWriteAgain{1};

constexpr const char* kSetUp =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS requests ("
    "  id TEXT PRIMARY KEY, session TEXT, model TEXT, started_at INTEGER, status INTEGER,"
    "  prompt_tokens INTEGER, reused_tokens INTEGER, computed_tokens INTEGER,"
    "  output_tokens INTEGER, prefill_ms REAL, ttft_ms REAL, total_ms REAL, saved_ms INTEGER)"
    "  STRICT;"
    "CREATE INDEX IF NOT EXISTS requests_by_time ON requests (started_at);"
    "PRAGMA user_version = 1;";

bool insert(Statement& statement, const RequestRecord& record) {
  return statement.bind(record.id)
      .bind(record.session)
      .bind(record.model)
      .bind(record.started_at)
      .bind(std::int64_t{record.status})
      .bind(record.prompt_tokens)
      .bind(record.reused_tokens)
      .bind(record.computed_tokens)
      .bind(record.output_tokens)
      .bind(record.prefill_ms)
      .bind(record.ttft_ms)
      .bind(std::optional(record.total_ms))
      .bind(record.saved_ms)
      .run();
}

class SqliteHistory : public History {
 public:
  SqliteHistory(Connection connection, std::filesystem::path file)
      : connection_(std::move(connection)),
        insert_(connection_, "INSERT OR REPLACE INTO requests VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        file_(std::move(file)), writer_([this] { run(); }) {}

  ~SqliteHistory() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    writer_.join();
  }
  SqliteHistory(const SqliteHistory&) = delete;
  SqliteHistory& operator=(const SqliteHistory&) = delete;

  void add(RequestRecord record) override {
    {
      const std::scoped_lock lock(mutex_);
      waiting_.push_back(std::move(record));
      if (waiting_.size() > kMostWaiting)
        waiting_.pop_front();
    }
    changed_.notify_all();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_ || !waiting_.empty()) {
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      auto records = std::exchange(waiting_, {});
      lock.unlock();
      const bool is_written = records.empty() || write(records);
      lock.lock();
      if (!is_written) {
        if (stopping_)
          return;
        waiting_.insert(waiting_.begin(), std::make_move_iterator(records.begin()),
                        std::make_move_iterator(records.end()));
      }
      // Requests come in bursts: one transaction takes what comes within a second.
      changed_.wait_for(lock, kWriteAgain, [this] { return stopping_; });
    }
  }

  /// All of them or none.
  bool write(const std::deque<RequestRecord>& records) {
    bool is_written = connection_.run("BEGIN IMMEDIATE");
    for (auto record = records.begin(); is_written && record != records.end(); ++record)
      is_written = insert(insert_, *record);
    is_written = is_written && connection_.run("COMMIT");
    if (!is_written) {
      const std::string message = connection_.message();
      connection_.run("ROLLBACK");
      if (!std::exchange(has_failed_, true))
        spdlog::warn("the history of requests cannot be written ({}: {}); it is tried again",
                     file_.native(), message);
    } else if (std::exchange(has_failed_, false)) {
      spdlog::info("the history of requests is written again");
    }
    return is_written;
  }

  Connection connection_; // of the writer
  Statement insert_;
  std::filesystem::path file_;
  bool has_failed_ = false; // the writer's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<RequestRecord> waiting_;
  bool stopping_ = false;
  std::thread writer_; // the last: it uses the others
};

/// Makes the table where there is none. The error is SQLite's code.
std::expected<void, int> set_up(Connection& connection) {
  Statement asked(connection, "PRAGMA user_version");
  if (!asked.step())
    return std::unexpected(asked.result());
  const std::int64_t format = asked.integer(0); // 0: nothing is in the file yet
  asked.reset();
  if (format != 0 && format != kFormat)
    return std::unexpected(SQLITE_MISMATCH);
  if (!connection.run(kSetUp))
    return std::unexpected(connection.error());
  return {};
}

void move_aside(const std::filesystem::path& file) {
  const std::filesystem::path aside = file.native() + ".damaged";
  std::error_code failed;
  std::filesystem::rename(file, aside, failed);
  for (const char* companion : {"-wal", "-shm"}) {
    std::error_code ignored; // mostly there is none
    std::filesystem::remove(file.native() + companion, ignored);
  }
  spdlog::warn("the history of requests {} is not one of this version; {}", file.native(),
               failed ? "it cannot be moved aside: " + failed.message()
                      : "it is kept as " + aside.native() + ", and a new one begins");
}

} // namespace

std::expected<std::unique_ptr<History>, std::string>
History::open(const std::filesystem::path& file, std::chrono::milliseconds kept) {
  for (const bool is_first : {true, false}) {
    auto connection = Connection::open(file);
    if (!connection)
      return std::unexpected(connection.error());
    const auto ready = set_up(*connection);
    if (ready) {
      Statement(*connection, "DELETE FROM requests WHERE started_at < ?")
          .bind(text::unix_milliseconds() - kept.count())
          .run();
      return std::make_unique<SqliteHistory>(std::move(*connection), file);
    }
    const bool is_foreign =
        database::means_damage(ready.error()) || ready.error() == SQLITE_MISMATCH;
    if (!is_first || !is_foreign)
      return std::unexpected(std::format("{}: {}", file.native(), connection->message()));
    connection = std::unexpected(std::string()); // closed before it is moved
    move_aside(file);
  }
  std::unreachable();
}

std::expected<std::vector<RequestRecord>, std::string>
read_history(const std::filesystem::path& file, std::int64_t since) {
  std::error_code failed;
  if (!std::filesystem::exists(file, failed))
    return {};
  auto connection = Connection::open(file);
  if (!connection)
    return std::unexpected(connection.error());
  Statement rows(*connection,
                 "SELECT id, session, model, started_at, status, prompt_tokens, reused_tokens,"
                 " computed_tokens, output_tokens, prefill_ms, ttft_ms, total_ms, saved_ms"
                 " FROM requests WHERE started_at >= ? ORDER BY started_at");
  rows.bind(since);
  std::vector<RequestRecord> records;
  while (rows.step()) {
    RequestRecord record;
    record.id = rows.text(0);
    record.session = rows.text(1);
    record.model = rows.text(2);
    record.started_at = rows.integer(3);
    record.status = static_cast<int>(rows.integer(4));
    record.prompt_tokens = rows.integer(5);
    record.reused_tokens = rows.integer(6);
    record.computed_tokens = rows.integer(7);
    record.output_tokens = rows.integer(8);
    record.prefill_ms = rows.real(9);
    record.ttft_ms = rows.real(10);
    record.total_ms = rows.real(11).value_or(0);
    record.saved_ms = rows.integer(12);
    records.push_back(std::move(record));
  }
  if (rows.result() != SQLITE_DONE)
    return std::unexpected(std::format("{}: {}", file.native(), connection->message()));
  return records;
}

} // namespace anyclaude::telemetry
