#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Leaving credentials out of texts that go to a file.
namespace anyclaude::telemetry {

inline constexpr std::string_view kRedacted = "[redacted]";

/// Whether what a header or a query's key of this name holds is a secret: "Authorization",
/// "x-api-key", "set-cookie".
bool is_secret_name(std::string_view name);

/// The text without what looks like a credential: each of `known` wherever it stands; tokens and
/// keys that services mark as theirs ("sk-…", "ghp_…", "AKIA…"), JSON web tokens, private keys in
/// PEM, values behind names such as API_KEY and "password". A guess: what looks like none of these
/// stays, and so does what is spread over the events of a stream.
std::string without_credentials(std::string text, const std::vector<std::string>& known);

} // namespace anyclaude::telemetry
