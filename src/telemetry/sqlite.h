#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// What we need of SQLite's interface, with owners for its handles. A connection is used by one
/// thread at a time. Source: https://www.sqlite.org/cintro.html
namespace anyclaude::telemetry {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

/// A prepared statement. Values are bound in the order of the question marks.
class Statement {
 public:
  Statement(sqlite3* database, std::string_view sql) : database_(database) {
    sqlite3_stmt* made = nullptr;
    sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &made, nullptr);
    statement_.reset(made);
  }

  /// False where the text was not understood, or the file is not a database.
  bool is_valid() const { return statement_ != nullptr; }

  Statement& bind(std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), ++bound_, value);
    return *this;
  }
  Statement& bind(const std::optional<double>& value) {
    if (value)
      sqlite3_bind_double(statement_.get(), ++bound_, *value);
    else
      sqlite3_bind_null(statement_.get(), ++bound_);
    return *this;
  }
  Statement& bind(const std::string& value) {
    sqlite3_bind_text64(statement_.get(), ++bound_, value.data(), value.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
    return *this;
  }

  /// True while there is a row; false at the end and on an error, which last_result() tells.
  bool step() {
    result_ = statement_ ? sqlite3_step(statement_.get()) : sqlite3_errcode(database_);
    return result_ == SQLITE_ROW;
  }
  int last_result() const { return result_; }

  std::int64_t integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
  }
  std::optional<double> real(int column) const {
    if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL)
      return std::nullopt;
    return sqlite3_column_double(statement_.get(), column);
  }
  std::string text(int column) const {
    const unsigned char* data = sqlite3_column_text(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return data ? std::string(data, data + size) : std::string();
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
  int result_ = SQLITE_OK;
};

} // namespace anyclaude::telemetry
