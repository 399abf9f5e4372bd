#include "anthropic/json_text.h"

#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>
#include <string_view>
#include <utility>

namespace anyclaude::anthropic {
namespace {

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view kNamed = "\"\\\b\f\n\r\t";
  constexpr std::string_view kNames = "\"\\bfnrt";
  if (const auto known = kNamed.find(c); known != std::string_view::npos) {
    out += '\\';
    out += kNames[known];
  } else {
    out += std::format("\\u{:04x}", static_cast<unsigned char>(c));
  }
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  auto at = text.begin();
  while (at != text.end()) {
    const auto special = std::find_if_not(at, text.end(), is_plain);
    out.append(at, special);
    if (special == text.end()) {
      break;
    }
    if (is_ascii(*special)) {
      append_escape(out, *special);
      at = special + 1;
    } else { // characters of several bytes have none that is ASCII
      at = std::find_if(special, text.end(), is_ascii);
      out += text::to_valid_utf8({special, at});
    }
  }
  out += '"';
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the JSON, which its reader bounds
void append(std::string& out, const Json& json) {
  switch (json.type()) {
  case Json::value_t::object: {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : json.get_ref<const Json::object_t&>()) {
      if (!std::exchange(first, false)) {
        out += ',';
      }
      append_string(out, key);
      out += ':';
      append(out, value);
    }
    out += '}';
    break;
  }
  case Json::value_t::array: {
    out += '[';
    bool first = true;
    for (const Json& item : json) {
      if (!std::exchange(first, false)) {
        out += ',';
      }
      append(out, item);
    }
    out += ']';
    break;
  }
  case Json::value_t::string:
    append_string(out, json.get_ref<const std::string&>());
    break;
  default:
    out += json.dump();
  }
}

} // namespace

std::string json_text(const Json& json) {
  std::string out;
  append(out, json);
  return out;
}

} // namespace anyclaude::anthropic
