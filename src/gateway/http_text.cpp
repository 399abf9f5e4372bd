#include "gateway/http_text.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <format>

namespace anyclaude::gateway {
namespace {

const char* reason_phrase(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 204:
    return "No Content";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 413:
    return "Content Too Large";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 503:
    return "Service Unavailable";
  case 529:
    return "Overloaded";
  default:
    return ""; // may be empty, RFC 9112 section 4
  }
}

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return std::format("{:%a, %d %b %Y %H:%M:%S} GMT", now);
}

bool is_framing(std::string_view name) {
  return equal_ignoring_case(name, "content-length") ||
         equal_ignoring_case(name, "transfer-encoding") || equal_ignoring_case(name, "connection");
}

/// A line break in a value would begin a header of its own.
void append_header(std::string& out, std::string_view name, std::string_view value) {
  const auto append_visible = [&out](std::string_view text) {
    std::ranges::copy_if(text, std::back_inserter(out),
                         [](char c) { return c != '\r' && c != '\n' && c != '\0'; });
  };
  append_visible(name);
  out += ": ";
  append_visible(value);
  out += "\r\n";
}

} // namespace

std::string answer_head(const AnswerHead& head) {
  std::string out =
      "HTTP/1.1 " + std::to_string(head.status) + " " + reason_phrase(head.status) + "\r\n";
  if (!has_header(head.headers, "date")) { // an answer that is passed on has its own
    append_header(out, "date", http_date());
  }
  for (const auto& [name, value] : head.headers) {
    if (!is_framing(name)) {
      append_header(out, name, value);
    }
  }
  if (head.framing == BodyFraming::length) {
    append_header(out, "content-length", std::to_string(head.length));
  } else if (head.framing == BodyFraming::chunked) {
    append_header(out, "transfer-encoding", "chunked");
  }
  if (!head.keep_alive) {
    append_header(out, "connection", "close");
  } else if (head.http_1_0) {
    append_header(out, "connection", "keep-alive");
  }
  out += "\r\n";
  return out;
}

bool has_header(const Headers& headers, std::string_view name) {
  return std::ranges::any_of(
      headers, [name](const auto& header) { return equal_ignoring_case(header.first, name); });
}

std::optional<std::size_t> stated_length(const Headers& headers) {
  for (const auto& [name, value] : headers) {
    std::size_t length = 0;
    if (equal_ignoring_case(name, "content-length") &&
        std::from_chars(value.data(), value.data() + value.size(), length).ec == std::errc()) {
      return length;
    }
  }
  return std::nullopt;
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) {
    return;
  }
  out += std::format("{:x}\r\n", data.size());
  out += data;
  out += "\r\n";
}

} // namespace anyclaude::gateway
