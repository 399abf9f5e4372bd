#include "kv/block_index.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <system_error>

namespace anyclaude::kv {

using database::Connection;
using database::Statement;

namespace {

constexpr std::int64_t kVersion = 1; // of the tables
constexpr const char* kTables = R"(
  BEGIN;
  CREATE TABLE blocks(key BLOB PRIMARY KEY, header BLOB NOT NULL, hits INTEGER NOT NULL,
                      last_used INTEGER NOT NULL, stable INTEGER NOT NULL) STRICT;
  CREATE TABLE about(fingerprint BLOB NOT NULL, model BLOB) STRICT;
  CREATE TABLE totals(requests INTEGER NOT NULL, asked_tokens INTEGER NOT NULL,
                      found_tokens INTEGER NOT NULL, saved_ms INTEGER NOT NULL) STRICT;
  INSERT INTO totals VALUES(0, 0, 0, 0);
  PRAGMA user_version = 1;
  COMMIT;)";

std::optional<std::pair<std::uint64_t, std::uint64_t>> identity(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0)
    return std::nullopt;
  return std::pair<std::uint64_t, std::uint64_t>(status.st_dev, status.st_ino);
}

std::span<const std::byte> bytes_of(const BlockKey& key) {
  return std::as_bytes(std::span(key.bytes));
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::int64_t signed_number(std::uint64_t number) {
  return static_cast<std::int64_t>(number);
}

std::uint64_t unsigned_number(std::int64_t number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
}

std::int64_t version_of(const Connection& connection) {
  Statement asked(connection, "PRAGMA user_version");
  return asked.step() ? asked.integer(0) : -1;
}

/// What no waiting mends: no database, or not with our tables.
bool is_useless(int failure) {
  return database::means_damage(failure) || failure == SQLITE_ERROR || failure == SQLITE_SCHEMA ||
         failure == SQLITE_CONSTRAINT || failure == SQLITE_MISMATCH;
}

} // namespace

StoreTotals& StoreTotals::operator+=(const StoreTotals& more) {
  requests += more.requests;
  asked_tokens += more.asked_tokens;
  found_tokens += more.found_tokens;
  saved_seconds += more.saved_seconds;
  return *this;
}

bool BlockIndex::Pending::empty() const {
  return rows.empty() && removed.empty() && !about && totals.requests == 0;
}

BlockIndex::BlockIndex(std::filesystem::path file, bool may_write)
    : file_(std::move(file)), may_write_(may_write) {}

BlockIndex::~BlockIndex() {
  flush();
}

void BlockIndex::may_write(bool may) {
  const std::scoped_lock lock(mutex_, waiting_);
  may_write_ = may;
}

/// Opens the database, unless what is open still has its name: `anyclaude cache clear` may have
/// removed it. A writer makes one where there is none that can be used.
bool BlockIndex::open() {
  if (connection_ && identity(file_) == opened_)
    return true;
  connection_.reset();
  const bool is_new = !identity(file_);
  if (is_new && !may_write_)
    return false;
  auto opened = Connection::open(file_);
  if (!opened)
    return false;
  const bool works = opened->run("PRAGMA trusted_schema = OFF") &&
                     opened->run("PRAGMA synchronous = NORMAL") &&
                     (!is_new || opened->run(kTables));
  if (works && version_of(*opened) == kVersion) {
    connection_ = std::move(*opened);
    opened_ = identity(file_);
    return true;
  }
  const int failure = opened->error();
  opened = std::unexpected(std::string());
  const bool is_other_version =
      works && (failure == SQLITE_OK || failure == SQLITE_ROW || failure == SQLITE_DONE);
  if (is_new || !may_write_ || !(is_other_version || is_useless(failure)))
    return false;
  database::remove_database(file_);
  return !identity(file_) && open();
}

/// Removes a database that proved useless. What it knew is found again by the next start.
void BlockIndex::failed(int failure) {
  if (!is_useless(failure))
    return;
  connection_.reset();
  if (may_write_)
    database::remove_database(file_);
}

/// Hands every row to `each`. False where they are not all there are.
template <class Each>
bool BlockIndex::query(const char* sql, const Each& each) {
  const std::scoped_lock lock(mutex_);
  if (!open())
    return false;
  int result = SQLITE_OK;
  {
    Statement statement(*connection_, sql);
    while (statement.step())
      each(statement);
    result = statement.result();
  }
  if (result != SQLITE_DONE)
    failed(result);
  return result == SQLITE_DONE;
}

BlockIndex::Rows BlockIndex::read() {
  Rows rows;
  const auto add = [&rows](const Statement& row) {
    BlockKey key;
    const auto bytes = row.bytes(0);
    if (bytes.size() != key.bytes.size())
      return;
    std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
    const auto header = row.bytes(1);
    rows[key] = {{header.begin(), header.end()},
                 {unsigned_number(row.integer(2)), row.integer(3), row.integer(4) != 0}};
  };
  // Not a part of them: what the caller misses it puts into the new index, and nothing else.
  return query("SELECT key, header, hits, last_used, stable FROM blocks", add) ? rows : Rows();
}

BlockIndex::About BlockIndex::about() {
  About about;
  query("SELECT fingerprint, model FROM about",
        [&about](const Statement& row) { about = {text_of(row.bytes(0)), text_of(row.bytes(1))}; });
  return about;
}

StoreTotals BlockIndex::totals() {
  StoreTotals totals;
  query("SELECT requests, asked_tokens, found_tokens, saved_ms FROM totals",
        [&totals](const Statement& row) {
          totals += {unsigned_number(row.integer(0)), unsigned_number(row.integer(1)),
                     unsigned_number(row.integer(2)), static_cast<double>(row.integer(3)) / 1000};
        });
  const std::scoped_lock lock(waiting_);
  return totals += pending_.totals;
}

void BlockIndex::put(const BlockKey& key, std::span<const std::byte> header, const BlockUse& use) {
  const std::scoped_lock lock(waiting_);
  if (may_write_)
    pending_.rows[key] = {{header.begin(), header.end()}, use};
}

void BlockIndex::set_use(const BlockKey& key, const BlockUse& use) {
  const std::scoped_lock lock(waiting_);
  if (may_write_)
    pending_.rows[key].use = use;
}

void BlockIndex::remove(const BlockKey& key) {
  const std::scoped_lock lock(waiting_);
  if (!may_write_)
    return;
  pending_.rows.erase(key);
  pending_.removed.push_back(key);
}

void BlockIndex::set_about(const About& about) {
  const std::scoped_lock lock(waiting_);
  if (may_write_)
    pending_.about = about;
}

void BlockIndex::add(const StoreTotals& more) {
  const std::scoped_lock lock(waiting_);
  pending_.totals += more;
}

/// In one transaction. The result is SQLite's.
int BlockIndex::write(const Pending& pending) {
  Connection& connection = *connection_;
  if (!connection.run("BEGIN IMMEDIATE"))
    return connection.error();
  bool ok = true;
  {
    Statement remove(connection, "DELETE FROM blocks WHERE key = ?");
    Statement put(connection, "INSERT OR REPLACE INTO blocks VALUES(?, ?, ?, ?, ?)");
    Statement set(connection,
                  "UPDATE blocks SET hits = ?, last_used = ?, stable = ? WHERE key = ?");
    for (const BlockKey& key : pending.removed)
      ok = ok && remove.bind(bytes_of(key)).run();
    for (const auto& [key, row] : pending.rows) {
      const auto& [hits, last_used, is_stable] = row.use;
      if (!row.header.empty())
        ok = ok && put.bind(bytes_of(key))
                       .bind(row.header)
                       .bind(signed_number(hits))
                       .bind(last_used)
                       .bind(std::int64_t{is_stable})
                       .run();
      else
        ok = ok && set.bind(signed_number(hits))
                       .bind(last_used)
                       .bind(std::int64_t{is_stable})
                       .bind(bytes_of(key))
                       .run();
    }
    if (pending.about)
      ok = ok && connection.run("DELETE FROM about") &&
           Statement(connection, "INSERT INTO about VALUES(?, ?)")
               .bind(bytes_of(pending.about->fingerprint))
               .bind(bytes_of(pending.about->model))
               .run();
    const StoreTotals& more = pending.totals;
    if (more.requests > 0)
      ok = ok && Statement(connection, "UPDATE totals SET requests = requests + ?, "
                                       "asked_tokens = asked_tokens + ?, found_tokens = "
                                       "found_tokens + ?, saved_ms = saved_ms + ?")
                     .bind(signed_number(more.requests))
                     .bind(signed_number(more.asked_tokens))
                     .bind(signed_number(more.found_tokens))
                     .bind(std::llround(more.saved_seconds * 1000))
                     .run();
  }
  if (ok && connection.run("COMMIT"))
    return SQLITE_OK;
  const int failure = connection.error();
  connection.run("ROLLBACK");
  return failure == SQLITE_OK ? SQLITE_ERROR : failure;
}

bool BlockIndex::flush() {
  const std::scoped_lock lock(mutex_);
  Pending pending;
  {
    const std::scoped_lock waiting(waiting_);
    if (pending_.empty())
      return true;
    if (!may_write_) // totals
      return false;
    pending = std::exchange(pending_, {});
  }
  const int failure = open() ? write(pending) : SQLITE_CANTOPEN;
  if (failure == SQLITE_OK)
    return true;
  failed(failure);
  // It goes in front of what has come meanwhile.
  const std::scoped_lock waiting(waiting_);
  for (const BlockKey& key : pending_.removed)
    pending.rows.erase(key);
  for (auto& [key, row] : pending_.rows)
    if (!row.header.empty() || !pending.rows.contains(key))
      pending.rows[key] = std::move(row);
    else
      pending.rows[key].use = row.use;
  pending.removed.append_range(pending_.removed);
  if (pending_.about)
    pending.about = pending_.about;
  pending.totals += pending_.totals;
  pending_ = std::move(pending);
  return false;
}

} // namespace anyclaude::kv
