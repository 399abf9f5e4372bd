#include "anthropic/json_text.h"

#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
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

/// The first character from `at` on that is not plain. Almost all of a prompt is, so eight are
/// looked at together: of each byte the highest bit says whether it may not be.
const char* first_special(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighest = 0x80 * kOnes;
  const auto below = [](std::uint64_t bytes, std::uint64_t limit) {
    return (bytes - limit * kOnes) & ~bytes;
  };
  for (; end - at >= 8; at += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, sizeof bytes);
    const std::uint64_t special = bytes | below(bytes, ' ') | below(bytes ^ ('"' * kOnes), 1) |
                                  below(bytes ^ ('\\' * kOnes), 1);
    if ((special & kHighest) != 0) {
      break;
    }
  }
  return std::find_if_not(at, end, is_plain);
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const char* const special = first_special(at, end);
    out.append(at, special);
    if (special == end) {
      break;
    }
    if (is_ascii(*special)) {
      append_escape(out, *special);
      at = special + 1;
    } else { // characters of several bytes have none that is ASCII
      at = std::find_if(special, end, is_ascii);
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
