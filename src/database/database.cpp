#include "database/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <system_error>

namespace anyclaude::database {

namespace {

constexpr int kBusyMilliseconds = 2000; // for another process's transaction

/// SQLite would make the file readable for everybody whom the umask does not shut out.
std::expected<void, std::string> make_private(const std::filesystem::path& file) {
  const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (made < 0)
    return std::unexpected(std::format("{}: {}", file.native(), std::strerror(errno)));
  ::close(made);
  return {};
}

} // namespace

void Connection::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

std::expected<Connection, std::string> Connection::open(const std::filesystem::path& file) {
  if (auto made = make_private(file); !made)
    return std::unexpected(made.error());
  Connection connection;
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  const int result = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  connection.handle_.reset(handle);
  if (result != SQLITE_OK)
    return std::unexpected(std::format("{}: {}", file.native(), sqlite3_errstr(result)));
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  return connection;
}

bool Connection::run(const char* sql) {
  return sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

/// The file's own header may forbid to write to it, which is as good as damage.
int Connection::error() const {
  if (sqlite3_extended_errcode(handle_.get()) == SQLITE_READONLY &&
      ::access(sqlite3_db_filename(handle_.get(), "main"), W_OK) == 0)
    return SQLITE_CORRUPT;
  return sqlite3_errcode(handle_.get());
}

std::string Connection::message() const {
  return sqlite3_errmsg(handle_.get());
}

void remove_database(const std::filesystem::path& file) {
  constexpr std::array kFiles = {"", "-wal", "-shm", "-journal"};
  for (const char* ending : kFiles) {
    std::error_code ignored;
    std::filesystem::remove(file.native() + ending, ignored);
  }
}

bool means_damage(int code) {
  return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement::Statement(const Connection& connection, std::string_view sql)
    : database_(connection.handle()) {
  sqlite3_stmt* made = nullptr;
  result_ = sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &made, nullptr);
  statement_.reset(made);
}

Statement& Statement::bind(std::int64_t value) {
  if (statement_)
    sqlite3_bind_int64(statement_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::bind(std::span<const std::byte> bytes) {
  if (statement_)
    sqlite3_bind_blob64(statement_.get(), ++bound_, bytes.empty() ? nullptr : bytes.data(),
                        bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(const std::string& text) {
  if (statement_)
    sqlite3_bind_text64(statement_.get(), ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(std::optional<double> value) {
  if (statement_ && value)
    sqlite3_bind_double(statement_.get(), ++bound_, *value);
  else if (statement_)
    sqlite3_bind_null(statement_.get(), ++bound_);
  return *this;
}

bool Statement::step() {
  if (statement_)
    result_ = sqlite3_step(statement_.get());
  return statement_ && result_ == SQLITE_ROW;
}

bool Statement::run() {
  step();
  const bool done = result_ == SQLITE_DONE || result_ == SQLITE_ROW;
  reset();
  return done;
}

void Statement::reset() {
  if (statement_)
    sqlite3_reset(statement_.get());
  bound_ = 0;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::span<const std::byte> Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return {static_cast<const std::byte*>(data), data ? size : 0};
}

std::string Statement::text(int column) const {
  const auto found = bytes(column);
  return {reinterpret_cast<const char*>(found.data()), found.size()};
}

std::optional<double> Statement::real(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL)
    return std::nullopt;
  return sqlite3_column_double(statement_.get(), column);
}

} // namespace anyclaude::database
