#pragma once

#include "anthropic/error.h"
#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace anyclaude::anthropic {

/// Where a value stands in a document, such as messages.2.content.0. A chain on the stack: a path
/// must not outlive the one it was made from; text is made for errors only.
class Path {
 public:
  Path() = default;
  Path operator/(std::string_view key) const { return {this, key, 0}; }
  Path operator/(std::size_t index) const { return {this, {}, index}; }
  std::string to_string() const;

 private:
  Path(const Path* parent, std::string_view key, std::size_t index)
      : parent_(parent), key_(key), index_(index) {}

  const Path* parent_ = nullptr;
  std::string_view key_; // empty: an index
  std::size_t index_ = 0;
};

/// Reads typed values out of JSON and keeps the first thing that is wrong. After a failure it
/// returns empty values, so callers go on without a check after each step. A null counts as absent.
class SchemaReader {
 public:
  void fail(const Path& path, std::string_view what);
  const std::optional<Error>& error() const { return error_; }

  /// The member, or nullptr when it is absent or null.
  static const Json* optional(const Json& object, const char* key);
  static Json* optional(Json& object, const char* key);
  /// The member, or nullptr and a failure.
  const Json* required(const Json& object, const char* key, const Path& at);

  std::string required_string(const Json& object, const char* key, const Path& at);
  std::string optional_string(const Json& object, const char* key, const Path& at);
  bool optional_bool(const Json& object, const char* key, const Path& at);
  std::optional<std::int64_t> optional_integer(const Json& object, const char* key, const Path& at,
                                               std::int64_t lowest, std::int64_t highest);
  std::optional<double> optional_number(const Json& object, const char* key, const Path& at,
                                        double lowest, double highest);

  bool is_object(const Json& value, const Path& at); // else a failure
  bool is_array(const Json& value, const Path& at, std::size_t most);
  bool is_short(const Json& array, const Path& at, std::size_t most);
  std::string string_value(const Json& value, const Path& at);

 private:
  std::optional<Error> error_;
};

} // namespace anyclaude::anthropic
