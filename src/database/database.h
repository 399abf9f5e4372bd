#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

/// What we need of SQLite, with owners for its handles. https://www.sqlite.org/cintro.html
namespace anyclaude::database {

/// One connection to a database file; one thread uses it at a time. Movable.
class Connection {
 public:
  /// Opens the file, which is made for its owner only (0600) where there is none, with a
  /// write-ahead log: readers and one writer, of other processes too, are not in each other's way.
  /// What is committed outlives the process, and what was committed last may be lost with the
  /// machine's power. The error is SQLite's or the operating system's.
  static std::expected<Connection, std::string> open(const std::filesystem::path& file);

  /// Runs statements without rows or values; see error() when false.
  bool run(const char* sql);

  /// SQLite's code of the last failure, such as SQLITE_FULL, and its words.
  int error() const;
  std::string message() const;

  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

/// Removes a database with what SQLite keeps beside it. Not while this process has it open.
void remove_database(const std::filesystem::path& file);

/// Whether a code says that the file is no sound database, and not that something else is amiss.
bool means_damage(int code);

/// A prepared statement, used again and again. Values are bound in the order of the question marks.
class Statement {
 public:
  Statement(const Connection& connection, std::string_view sql);

  Statement& bind(std::int64_t value);
  Statement& bind(std::span<const std::byte> bytes); // an empty one is NULL
  Statement& bind(const std::string& text);
  Statement& bind(std::optional<double> value); // nothing is NULL

  /// True while there is a row. False at the end, with result() SQLITE_DONE, and on an error.
  bool step();
  int result() const { return result_; }

  /// Runs it once for its effect; whether that worked.
  bool run();
  /// Makes it ready to be used again.
  void reset();

  std::int64_t integer(int column) const;
  std::span<const std::byte> bytes(int column) const; // valid until the next step
  std::string text(int column) const;
  std::optional<double> real(int column) const; // NULL is nothing

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
  int result_ = 0;
};

} // namespace anyclaude::database
