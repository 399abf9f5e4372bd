#include "answer/schema_check.h"

#include "answer/schema_grammar.h"

#include <algorithm>
#include <cmath>

namespace anyclaude::answer {

namespace {

constexpr int kDeepestChecked = 64; // schemas within each other

bool is_type(const Json& value, const std::string& type) {
  if (type == "object")
    return value.is_object();
  if (type == "array")
    return value.is_array();
  if (type == "string")
    return value.is_string();
  if (type == "boolean")
    return value.is_boolean();
  if (type == "null")
    return value.is_null();
  if (type == "number")
    return value.is_number();
  if (type == "integer")
    return value.is_number_integer() ||
           (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
  return true;
}

/// Characters, not bytes.
double length_of(const std::string& text) {
  return static_cast<double>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class Check {
 public:
  explicit Check(const Json& root) : root_(root) {}

  std::optional<std::string> violation(const Json& value, const Json& schema,
                                       const std::string& path, int depth) const {
    const auto wrong = [&path](const std::string& what) {
      return std::optional((path.empty() ? "the value" : path) + ": " + what);
    };
    if (schema.is_boolean())
      return schema.get<bool>() ? std::nullopt : wrong("not allowed");
    if (!schema.is_object() || depth > kDeepestChecked)
      return std::nullopt;
    if (schema.contains("$ref") && schema["$ref"].is_string())
      if (const Json* target = referred(root_, schema["$ref"].get<std::string>()))
        if (auto found = violation(value, *target, path, depth + 1))
          return found;
    if (schema.contains("type") && !has_type(value, schema["type"]))
      return wrong("not of type " + schema["type"].dump());
    if (schema.contains("const") && value != schema["const"])
      return wrong("not " + schema["const"].dump());
    if (schema.contains("enum") && schema["enum"].is_array() &&
        !std::ranges::contains(schema["enum"], value))
      return wrong("not one of " + schema["enum"].dump());
    if (auto found = combined(value, schema, path, depth))
      return found;
    if (value.is_object())
      return object(value, schema, path, depth);
    if (value.is_array())
      return array(value, schema, path, depth);
    if (value.is_string())
      return bounds(length_of(value.get_ref<const std::string&>()), schema, "minLength",
                    "maxLength", path);
    if (value.is_number())
      return number(value.get<double>(), schema, path);
    return std::nullopt;
  }

 private:
  static bool has_type(const Json& value, const Json& type) {
    if (type.is_string())
      return is_type(value, type.get<std::string>());
    return !type.is_array() || std::ranges::any_of(type, [&](const Json& each) {
      return each.is_string() && is_type(value, each.get<std::string>());
    });
  }

  static std::optional<std::string> bounds(double size, const Json& schema, const char* least,
                                           const char* most, const std::string& path) {
    const auto given = [&schema](const char* key) {
      return schema.contains(key) && schema[key].is_number();
    };
    for (const char* key : {least, most})
      if (given(key) &&
          (key == least ? size < schema[key].get<double>() : size > schema[key].get<double>()))
        return path + ": " + key + " is " + schema[key].dump();
    return std::nullopt;
  }

  static std::optional<std::string> number(double value, const Json& schema,
                                           const std::string& path) {
    if (auto found = bounds(value, schema, "minimum", "maximum", path))
      return found;
    for (const char* key : {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"}) {
      if (!schema.contains(key) || !schema[key].is_number())
        continue;
      const double limit = schema[key].get<double>();
      const bool wrong =
          std::string_view(key) == "exclusiveMinimum" ? value <= limit
          : std::string_view(key) == "exclusiveMaximum"
              ? value >= limit
              : limit > 0 && std::abs(std::remainder(value, limit)) > 1e-9 * std::abs(value);
      if (wrong)
        return path + ": " + key + " is " + schema[key].dump();
    }
    return std::nullopt;
  }

  std::optional<std::string> combined(const Json& value, const Json& schema,
                                      const std::string& path, int depth) const {
    const auto list = [&schema](const char* key) {
      return schema.contains(key) && schema[key].is_array();
    };
    const auto count = [&](const char* key) {
      return std::ranges::count_if(
          schema[key], [&](const Json& each) { return !violation(value, each, path, depth + 1); });
    };
    if (list("allOf"))
      for (const Json& each : schema["allOf"])
        if (auto found = violation(value, each, path, depth + 1))
          return found;
    if (list("anyOf") && count("anyOf") == 0)
      return path + ": none of anyOf fits";
    if (list("oneOf") && count("oneOf") != 1)
      return path + ": not exactly one of oneOf fits";
    if (schema.contains("not") && !violation(value, schema["not"], path, depth + 1))
      return path + ": is what it must not be";
    return std::nullopt;
  }

  std::optional<std::string> object(const Json& value, const Json& schema, const std::string& path,
                                    int depth) const {
    const auto at = [&path](const std::string& key) {
      return path.empty() ? key : path + "." + key;
    };
    if (schema.contains("required") && schema["required"].is_array())
      for (const Json& key : schema["required"])
        if (key.is_string() && !value.contains(key.get<std::string>()))
          return at(key.get<std::string>()) + ": required";
    const Json none = Json::object();
    const Json& properties = schema.contains("properties") && schema["properties"].is_object()
                                 ? schema["properties"]
                                 : none;
    for (const auto& [key, item] : value.items()) {
      if (properties.contains(key)) {
        if (auto found = violation(item, properties[key], at(key), depth + 1))
          return found;
      } else if (schema.contains("additionalProperties") && !schema.contains("patternProperties")) {
        if (auto found = violation(item, schema["additionalProperties"], at(key), depth + 1))
          return found;
      }
    }
    return bounds(static_cast<double>(value.size()), schema, "minProperties", "maxProperties",
                  path);
  }

  std::optional<std::string> array(const Json& value, const Json& schema, const std::string& path,
                                   int depth) const {
    std::size_t first = 0;
    const auto check = [&](std::size_t i, const Json& of) {
      return violation(value[i], of, path + "[" + std::to_string(i) + "]", depth + 1);
    };
    if (schema.contains("prefixItems") && schema["prefixItems"].is_array())
      for (; first < value.size() && first < schema["prefixItems"].size(); ++first)
        if (auto found = check(first, schema["prefixItems"][first]))
          return found;
    if (schema.contains("items"))
      for (std::size_t i = first; i < value.size(); ++i)
        if (auto found = check(i, schema["items"]))
          return found;
    return bounds(static_cast<double>(value.size()), schema, "minItems", "maxItems", path);
  }

  const Json& root_;
};

} // namespace

std::optional<std::string> schema_violation(const Json& value, const Json& schema) {
  return Check(schema).violation(value, schema, "", 0);
}

} // namespace anyclaude::answer
