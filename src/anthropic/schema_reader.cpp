#include "anthropic/schema_reader.h"

#include "text/utf8.h"

#include <cmath>

namespace anyclaude::anthropic {
namespace {

/// An integer, also one written as 5.0, which some clients' number types make of 5.
std::optional<std::int64_t> integer_in(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return number <= INT64_MAX ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
  }
  if (value.is_number_integer()) {
    return value.get<std::int64_t>();
  }
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (std::trunc(number) == number && std::abs(number) < 9e15) {
      return static_cast<std::int64_t>(number);
    }
  }
  return std::nullopt;
}

/// 1 rather than 1.000000.
std::string number_text(double value) {
  return Json(value).dump();
}

} // namespace

std::string Path::to_string() const {
  if (parent_ == nullptr) {
    return {};
  }
  std::string out = parent_->to_string();
  if (!out.empty()) {
    out += '.';
  }
  return out + (key_.empty() ? std::to_string(index_) : std::string(key_));
}

void SchemaReader::fail(const Path& path, std::string_view what) {
  if (error_) {
    return;
  }
  const std::string where = path.to_string();
  std::string message = where.empty() ? std::string(what) : where + ": " + std::string(what);
  error_ = Error{ErrorKind::invalid_request, text::to_valid_utf8(message)};
}

const Json* SchemaReader::optional(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

Json* SchemaReader::optional(Json& object, const char* key) {
  const auto member = object.find(key);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

const Json* SchemaReader::required(const Json& object, const char* key, const Path& at) {
  const Json* value = optional(object, key);
  if (value == nullptr) {
    fail(at / key, "Field required");
  }
  return value;
}

std::string SchemaReader::string_value(const Json& value, const Path& at) {
  if (!value.is_string()) {
    fail(at, "Input should be a valid string");
    return {};
  }
  return value.get_ref<const std::string&>();
}

std::string SchemaReader::required_string(const Json& object, const char* key, const Path& at) {
  const Json* value = required(object, key, at);
  return value == nullptr ? std::string() : string_value(*value, at / key);
}

std::string SchemaReader::optional_string(const Json& object, const char* key, const Path& at) {
  const Json* value = optional(object, key);
  return value == nullptr ? std::string() : string_value(*value, at / key);
}

bool SchemaReader::optional_bool(const Json& object, const char* key, const Path& at) {
  const Json* value = optional(object, key);
  if (value == nullptr) {
    return false;
  }
  if (!value->is_boolean()) {
    fail(at / key, "Input should be a valid boolean");
    return false;
  }
  return value->get<bool>();
}

std::optional<std::int64_t> SchemaReader::optional_integer(const Json& object, const char* key,
                                                           const Path& at, std::int64_t lowest,
                                                           std::int64_t highest) {
  const Json* value = optional(object, key);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto number = integer_in(*value);
  if (!number) {
    fail(at / key, "Input should be a valid integer");
    return std::nullopt;
  }
  if (*number < lowest) {
    fail(at / key, "Input should be greater than or equal to " + std::to_string(lowest));
    return std::nullopt;
  }
  if (*number > highest) {
    fail(at / key, "Input should be less than or equal to " + std::to_string(highest));
    return std::nullopt;
  }
  return number;
}

std::optional<double> SchemaReader::optional_number(const Json& object, const char* key,
                                                    const Path& at, double lowest, double highest) {
  const Json* value = optional(object, key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number()) {
    fail(at / key, "Input should be a valid number");
    return std::nullopt;
  }
  const auto number = value->get<double>();
  if (number < lowest) {
    fail(at / key, "Input should be greater than or equal to " + number_text(lowest));
    return std::nullopt;
  }
  if (number > highest) {
    fail(at / key, "Input should be less than or equal to " + number_text(highest));
    return std::nullopt;
  }
  return number;
}

bool SchemaReader::is_object(const Json& value, const Path& at) {
  if (!value.is_object()) {
    fail(at, "Input should be an object");
  }
  return value.is_object();
}

bool SchemaReader::is_short(const Json& array, const Path& at, std::size_t most) {
  if (array.size() > most) {
    fail(at, "List should have at most " + std::to_string(most) + " items, not " +
                 std::to_string(array.size()));
  }
  return array.size() <= most;
}

bool SchemaReader::is_array(const Json& value, const Path& at, std::size_t most) {
  if (!value.is_array()) {
    fail(at, "Input should be a valid list");
  }
  return value.is_array() && is_short(value, at, most);
}

} // namespace anyclaude::anthropic
