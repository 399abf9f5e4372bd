#include "telemetry/redaction.h"

#include "text/letter_case.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

namespace anyclaude::telemetry {
namespace {

struct Span {
  std::size_t begin;
  std::size_t end;
};

constexpr auto kNowhere = std::string_view::npos;

/// What a token of a service begins with, and how many characters follow at least.
struct Mark {
  std::string_view text;
  std::size_t least;
};
constexpr std::array<Mark, 22> kMarks = {{
    {"sk-", 17},     {"sk_live_", 12}, {"sk_test_", 12}, {"rk_live_", 12}, {"ghp_", 20},
    {"gho_", 20},    {"ghu_", 20},     {"ghs_", 20},     {"ghr_", 20},     {"github_pat_", 20},
    {"glpat-", 16},  {"xoxb-", 10},    {"xoxp-", 10},    {"xoxa-", 10},    {"AKIA", 16},
    {"ASIA", 16},    {"AIza", 30},     {"hf_", 20},      {"npm_", 30},     {"pypi-", 30},
    {"Bearer ", 16}, {"eyJ", 30}, // a JSON web token: base64 of {"
}};

/// Ends of names whose value is a secret, in lower case.
constexpr std::array<std::string_view, 12> kNames = {
    "api_key",       "apikey",       "api-key",     "password",    "passwd",     "_token",
    "client_secret", "refreshtoken", "accesstoken", "private_key", "secret_key", "access_key"};
constexpr std::size_t kShortestValue = 8;

constexpr std::string_view kPemBegin = "-----BEGIN ";
constexpr std::string_view kPemKey = "PRIVATE KEY-----";
constexpr std::string_view kPemEnd = "-----END ";

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool is_of_token(char c) {
  return is_word(c) || c == '-' || c == '.' || c == '/' || c == '+' || c == '=' || c == '~';
}

/// A word begins here; behind "\n" of a JSON text one does too.
bool begins_word(std::string_view text, std::size_t at) {
  if (at == 0 || !is_word(text[at - 1]))
    return true;
  return at >= 2 && text[at - 2] == '\\' && std::string_view("nrt").contains(text[at - 1]);
}

std::size_t end_of_token(std::string_view text, std::size_t at) {
  while (at < text.size() && is_of_token(text[at]))
    ++at;
  return at;
}

void find_known(std::string_view text, const std::vector<std::string>& known,
                std::vector<Span>& found) {
  for (const std::string& secret : known)
    if (secret.size() >= kShortestValue)
      for (std::size_t at = text.find(secret); at != kNowhere;
           at = text.find(secret, at + secret.size()))
        found.push_back({at, at + secret.size()});
}

void find_marked(std::string_view text, std::vector<Span>& found) {
  for (const Mark& mark : kMarks)
    for (std::size_t at = text.find(mark.text); at != kNowhere;) {
      const std::size_t behind = at + mark.text.size();
      const std::size_t end = end_of_token(text, behind);
      if (begins_word(text, at) && end - behind >= mark.least)
        found.push_back({behind, end});
      at = text.find(mark.text, std::max(end, behind));
    }
}

void find_keys(std::string_view text, std::vector<Span>& found) {
  for (std::size_t at = text.find(kPemBegin); at != kNowhere; at = text.find(kPemBegin, at + 1)) {
    const std::size_t key = text.find(kPemKey, at);
    if (key == kNowhere || key - at > 40)
      continue;
    const std::size_t begin = key + kPemKey.size();
    const std::size_t end = text.find(kPemEnd, begin);
    found.push_back({begin, end == kNowhere ? text.size() : end});
  }
}

/// NAME=value, "name": "value", and the same within a JSON string.
void find_named(std::string_view text, std::vector<Span>& found) {
  const std::string lowered = text::in_lower_case(text);
  constexpr std::string_view kQuotes = "\\\"' ";
  for (const std::string_view name : kNames)
    for (std::size_t at = lowered.find(name); at != kNowhere; at = lowered.find(name, at + 1)) {
      std::size_t sign = at + name.size();
      sign = text.find_first_not_of(kQuotes, sign);
      if (sign == kNowhere || (text[sign] != '=' && text[sign] != ':'))
        continue;
      const std::size_t begin = text.find_first_not_of(kQuotes, sign + 1);
      if (begin == kNowhere)
        continue;
      const bool is_quoted = text[begin - 1] == '"' || text[begin - 1] == '\'';
      const char* const ends = is_quoted ? "\"'\\\r\n" : "\"'\\ \r\n,;}&";
      const std::size_t end = std::min(text.find_first_of(ends, begin), text.size());
      if (end - begin >= kShortestValue)
        found.push_back({begin, end});
    }
}

} // namespace

bool is_secret_name(std::string_view name) {
  const std::string lowered = text::in_lower_case(name);
  return std::ranges::any_of(std::array{"auth", "cookie", "key", "token", "secret", "password"},
                             [&lowered](const char* part) { return lowered.contains(part); });
}

std::string without_credentials(std::string text, const std::vector<std::string>& known) {
  std::vector<Span> found;
  find_known(text, known, found);
  find_marked(text, found);
  find_keys(text, found);
  find_named(text, found);
  if (found.empty())
    return text;
  std::ranges::sort(found, {}, &Span::begin);
  std::string out;
  std::size_t done = 0;
  for (const Span& span : found) {
    if (span.begin >= done) {
      out.append(text, done, span.begin - done);
      out += kRedacted;
    }
    done = std::max(done, span.end);
  }
  return out.append(text, done);
}

} // namespace anyclaude::telemetry
