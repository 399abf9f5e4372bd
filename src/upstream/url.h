#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace anyclaude::upstream {

/// Where a server is.
struct Origin {
  bool tls = false;
  std::string host; // a name or an address, IPv6 without brackets
  std::uint16_t port = 0;

  bool operator==(const Origin&) const = default;
};

/// "http://127.0.0.1:8080": the port is left out where it is the scheme's own.
std::string to_string(const Origin& origin);

/// What the Host header says: the host, IPv6 in brackets, and the port where it is not the scheme's
/// own.
std::string authority(const Origin& origin);

struct Url {
  Origin origin;
  std::string path; // and query, as written; without a slash at its end, so that "/v1/…" can follow
};

/// Reads "http://host:port/path" or "https://…". The error says what is wrong with it.
std::expected<Url, std::string> parse_url(std::string_view text);

} // namespace anyclaude::upstream
