#include "telemetry/history.h"

#include "telemetry/sqlite.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <condition_variable>
#include <deque>
#include <format>
#include <mutex>
#include <thread>
#include <utility>

namespace anyclaude::telemetry {
namespace {

constexpr int kFormat = 1; // of the table, kept as the file's user_version
constexpr int kBusyMilliseconds = 2000;
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

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::expected<Database, std::string> connect(const std::filesystem::path& file, int flags) {
  sqlite3* made = nullptr;
  const int result = sqlite3_open_v2(file.c_str(), &made, flags, nullptr);
  Database database(made);
  if (result != SQLITE_OK)
    return std::unexpected(std::format("{}: {}", file.native(), sqlite3_errstr(result)));
  sqlite3_busy_timeout(database.get(), kBusyMilliseconds);
  return database;
}

/// The format of what is in the file; 0: nothing yet. An error is SQLite's code.
std::expected<std::int64_t, int> format_of(sqlite3* database) {
  Statement asked(database, "PRAGMA user_version");
  if (asked.step())
    return asked.integer(0);
  return std::unexpected(asked.last_result());
}

int insert(sqlite3* database, const RequestRecord& record) {
  Statement statement(database,
                      "INSERT OR REPLACE INTO requests VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)");
  statement.bind(record.id)
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
      .bind(record.saved_ms);
  statement.step();
  return statement.last_result();
}

class SqliteHistory : public History {
 public:
  SqliteHistory(Database database, std::filesystem::path file)
      : database_(std::move(database)), file_(std::move(file)), writer_([this] { run(); }) {}

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
    int result = sqlite3_exec(database_.get(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    for (auto record = records.begin(); result == SQLITE_OK && record != records.end(); ++record)
      if (const int inserted = insert(database_.get(), *record); inserted != SQLITE_DONE)
        result = inserted;
    if (result == SQLITE_OK)
      result = sqlite3_exec(database_.get(), "COMMIT", nullptr, nullptr, nullptr);
    if (result != SQLITE_OK)
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    if (result != SQLITE_OK && !std::exchange(has_failed_, true))
      spdlog::warn("the history of requests cannot be written ({}: {}); it is tried again",
                   file_.native(), sqlite3_errstr(result));
    else if (result == SQLITE_OK && std::exchange(has_failed_, false))
      spdlog::info("the history of requests is written again");
    return result == SQLITE_OK;
  }

  Database database_; // of the writer
  std::filesystem::path file_;
  bool has_failed_ = false; // the writer's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<RequestRecord> waiting_;
  bool stopping_ = false;
  std::thread writer_; // the last: it uses the others
};

/// Makes the table where there is none. The error is SQLite's code.
std::expected<void, int> set_up(sqlite3* database) {
  const auto format = format_of(database);
  if (!format)
    return std::unexpected(format.error());
  if (*format != 0 && *format != kFormat)
    return std::unexpected(SQLITE_MISMATCH);
  if (const int result = sqlite3_exec(database, kSetUp, nullptr, nullptr, nullptr);
      result != SQLITE_OK)
    return std::unexpected(result);
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

std::expected<std::unique_ptr<History>, std::string> History::open(const std::filesystem::path& file,
                                                                   std::chrono::milliseconds kept) {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW;
  for (const bool is_first : {true, false}) {
    auto database = connect(file, kFlags);
    if (!database)
      return std::unexpected(database.error());
    ::chmod(file.c_str(), S_IRUSR | S_IWUSR); // nobody else's business; the log takes its mode over
    const auto ready = set_up(database->get());
    if (ready) {
      Statement forget(database->get(), "DELETE FROM requests WHERE started_at < ?");
      forget.bind(now_ms() - kept.count()).step();
      return std::make_unique<SqliteHistory>(std::move(*database), file);
    }
    const int result = ready.error();
    const bool is_foreign =
        result == SQLITE_NOTADB || result == SQLITE_CORRUPT || result == SQLITE_MISMATCH;
    if (!is_first || !is_foreign)
      return std::unexpected(std::format("{}: {}", file.native(), sqlite3_errstr(result)));
    database->reset();
    move_aside(file);
  }
  std::unreachable();
}

std::expected<std::vector<RequestRecord>, std::string>
read_history(const std::filesystem::path& file, std::int64_t since) {
  std::error_code failed;
  if (!std::filesystem::exists(file, failed))
    return {};
  auto database = connect(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW);
  if (!database)
    return std::unexpected(database.error());
  Statement rows(database->get(),
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
  if (rows.last_result() != SQLITE_DONE)
    return std::unexpected(
        std::format("{}: {}", file.native(), sqlite3_errstr(rows.last_result())));
  return records;
}

} // namespace anyclaude::telemetry
