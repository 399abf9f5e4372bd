#pragma once

#include "gateway/http_server.h"
#include "text/letter_case.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// The bytes of HTTP/1.1 answers. Source: RFC 9112.
namespace anyclaude::gateway {

/// How the end of a body is told.
enum class BodyFraming {
  none,         // the status has no body (1xx, 204, 304)
  length,       // content-length
  chunked,      // transfer-encoding: chunked
  until_closed, // HTTP/1.0, which has no chunks
};

struct AnswerHead {
  int status = 200;
  const Headers& headers; // framing headers in it are dropped, line breaks in values too
  BodyFraming framing = BodyFraming::length;
  std::size_t length = 0; // for BodyFraming::length
  bool keep_alive = true;
  bool http_1_0 = false; // the client's version, which must be told that the connection stays
};

/// Status line and headers, with the empty line that ends them.
std::string answer_head(const AnswerHead& head);

/// Appends one chunk; nothing for an empty one, which would end the body.
void append_chunk(std::string& out, std::string_view data);

inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

/// What content-length says.
std::optional<std::size_t> stated_length(const Headers& headers);

bool has_header(const Headers& headers, std::string_view name); // whatever its case

using text::equal_ignoring_case;

} // namespace anyclaude::gateway
