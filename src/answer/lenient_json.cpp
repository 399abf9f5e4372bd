#include "answer/lenient_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::size_t kDeepestValue = 100;
constexpr std::size_t kLongestWord = 400; // bytes of a bare word or key

void skip_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// Of a bare key: ASCII's word characters, and every letter beyond ASCII.
bool is_word(char c) {
  return static_cast<unsigned char>(c) >= 0x80 || is_digit(c) || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

std::size_t count_digits(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789"), text.size());
}

/// A number in JSON's form, empty when the word is none. "+1", "007", ".5" and "1." are ones that
/// JSON writes in another way.
std::string number(std::string_view word) {
  std::string out;
  if (word.starts_with('-'))
    out = "-";
  if (word.starts_with('-') || word.starts_with('+'))
    word.remove_prefix(1);
  std::string_view whole = word.substr(0, count_digits(word));
  word.remove_prefix(whole.size());
  const bool has_whole = !whole.empty();
  while (whole.size() > 1 && whole.front() == '0')
    whole.remove_prefix(1);
  out += has_whole ? whole : "0";
  if (word.starts_with('.')) {
    word.remove_prefix(1);
    const auto digits = word.substr(0, count_digits(word));
    if (!has_whole && digits.empty())
      return {};
    out += "." + (digits.empty() ? "0" : std::string(digits));
    word.remove_prefix(digits.size());
  } else if (!has_whole) {
    return {};
  }
  if (word.starts_with('e') || word.starts_with('E')) {
    auto exponent = word.substr(1);
    if (exponent.starts_with('-') || exponent.starts_with('+'))
      exponent.remove_prefix(1);
    if (exponent.empty() || count_digits(exponent) != exponent.size())
      return {};
    out += word;
    word = {};
  }
  // Readers differ in what they make of a number that no double can hold.
  return word.empty() && std::isfinite(std::strtod(out.c_str(), nullptr)) ? out : "";
}

std::string literal(std::string_view word) {
  for (const char* name : {"true", "True", "TRUE"})
    if (word == name)
      return "true";
  for (const char* name : {"false", "False", "FALSE"})
    if (word == name)
      return "false";
  for (const char* name : {"null", "None", "NULL", "Null", "undefined"})
    if (word == name)
      return "null";
  auto text = number(word);
  return text.empty() ? json_quote(word) : text;
}

unsigned hex_value(std::string_view digits) {
  unsigned value = 0;
  for (const char c : digits)
    value = value * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  return value;
}

bool are_hex(std::string_view text) {
  return std::ranges::all_of(text, is_hex);
}

} // namespace

void json_escape(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (byte < 0x20)
      ((out += "\\u00") += kHex[byte >> 4]) += kHex[byte & 15];
    else
      out += c;
  }
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  json_escape(text, out);
  return out + '"';
}

void LenientJson::read(std::string_view& text, bool at_end, std::string& out) {
  while (!complete() && !broken() && step(text, at_end, out)) {
  }
}

/// Takes one thing from the text; false when more text is needed for that.
bool LenientJson::step(std::string_view& text, bool at_end, std::string& out) {
  if (expect_ == Expect::string)
    return raw_ ? raw_string(text, at_end, out) : string(text, at_end, out);
  skip_space(text);
  if (text.empty())
    return false;
  switch (expect_) {
  case Expect::value:
    return value(text, at_end, out);
  case Expect::key:
    return key(text, at_end, out);
  case Expect::colon:
    if (text.front() != ':')
      return refuse();
    text.remove_prefix(1);
    out += ':';
    expect_ = Expect::value;
    return true;
  default:
    return behind_value(text, out);
  }
}

/// A comma where something stands before.
void LenientJson::separate(std::string& out) {
  if (levels_.empty())
    return;
  if (levels_.back().has_items)
    out += ',';
  levels_.back().has_items = true;
}

bool LenientJson::refuse() {
  broken_ = true;
  return false;
}

void LenientJson::end_value() {
  expect_ = levels_.empty() ? Expect::nothing : Expect::comma;
}

bool LenientJson::value(std::string_view& text, bool at_end, std::string& out) {
  const char c = text.front();
  const bool in_array = !levels_.empty() && !levels_.back().object;
  if (c == '{' || c == '[') {
    if (levels_.size() >= kDeepestValue)
      return refuse();
    if (in_array)
      separate(out);
    out += c;
    levels_.push_back({c == '{', false});
    expect_ = c == '{' ? Expect::key : Expect::value;
    text.remove_prefix(1);
    return true;
  }
  if (in_array && c == ',') { // one too many
    text.remove_prefix(1);
    return true;
  }
  if (in_array && (c == ']' || c == '}'))
    return behind_value(text, out);
  if (open_string(text, at_end, out, false))
    return true;
  return may_be_raw_quote(text, at_end) ? false : bare_word(text, at_end, out);
}

bool LenientJson::bare_word(std::string_view& text, bool at_end, std::string& out) {
  const auto length = std::min(text.find_first_of(" \t\r\n,{}[]\"':<"), text.size());
  if (length == text.size() && !at_end && length < kLongestWord)
    return false;
  if (length == 0 || length >= kLongestWord)
    return refuse();
  if (!levels_.empty() && !levels_.back().object)
    separate(out);
  out += literal(text.substr(0, length));
  text.remove_prefix(length);
  end_value();
  return true;
}

bool LenientJson::may_be_raw_quote(std::string_view text, bool at_end) const {
  const auto& raw = syntax_.raw_quote;
  return !at_end && text.size() < raw.size() && raw.starts_with(text);
}

/// Begins a string or a key where one begins.
bool LenientJson::open_string(std::string_view& text, bool at_end, std::string& out, bool is_key) {
  const auto& raw = syntax_.raw_quote;
  const bool is_raw = !raw.empty() && text.starts_with(raw);
  if (may_be_raw_quote(text, at_end))
    return false;
  if (!is_raw && text.front() != '"' && text.front() != '\'')
    return false;
  if (is_key || (!levels_.empty() && !levels_.back().object))
    separate(out);
  out += '"';
  raw_ = is_raw;
  quote_ = text.front();
  in_key_ = is_key;
  expect_ = Expect::string;
  text.remove_prefix(is_raw ? raw.size() : 1);
  return true;
}

bool LenientJson::key(std::string_view& text, bool at_end, std::string& out) {
  const char c = text.front();
  if (c == ',') {
    text.remove_prefix(1);
    return true;
  }
  if (c == '}' || c == ']')
    return behind_value(text, out);
  if (open_string(text, at_end, out, true))
    return true;
  if (may_be_raw_quote(text, at_end))
    return false;
  const auto end =
      std::ranges::find_if_not(text, [](char w) { return is_word(w) || w == '-' || w == '.'; });
  const auto length = static_cast<std::size_t>(end - text.begin());
  std::string_view behind = text.substr(length);
  skip_space(behind);
  if (behind.empty() && !at_end && length < kLongestWord)
    return false;
  if (length == 0 || length >= kLongestWord || !behind.starts_with(':'))
    return refuse();
  separate(out);
  out += json_quote(text.substr(0, length));
  text = behind;
  expect_ = Expect::colon;
  return true;
}

bool LenientJson::close_level(char bracket, std::string& out) {
  const bool object = bracket == '}';
  const auto same = [object](const Level& level) { return level.object == object; };
  if (std::ranges::none_of(levels_, same))
    return false;
  for (bool found = false; !found;) { // brackets that were left out inside
    found = levels_.back().object == object;
    out += levels_.back().object ? '}' : ']';
    levels_.pop_back();
  }
  end_value();
  return true;
}

bool LenientJson::behind_value(std::string_view& text, std::string& out) {
  const char c = text.front();
  if (c == '}' || c == ']') {
    if (!close_level(c, out))
      return refuse();
    text.remove_prefix(1);
    return true;
  }
  const bool object = levels_.back().object;
  if (c == ',') {
    text.remove_prefix(1);
  } else { // a missing comma, where something begins that can follow one
    const bool begins = c == '"' || c == '\'' || (!object && (c == '{' || c == '['));
    if (!begins)
      return refuse();
  }
  expect_ = object ? Expect::key : Expect::value;
  return true;
}

LenientJson::Answer LenientJson::at_closer(std::string_view text, bool at_end) const {
  for (const auto closer : syntax_.closers) {
    if (text.starts_with(closer))
      return Answer::yes;
    if (closer.starts_with(text) && !at_end)
      return Answer::unknown;
  }
  return Answer::no;
}

/// Whether a quote ends its string, by what stands behind it. In valid JSON this is always so where
/// it is asked; elsewhere a quote that nothing fitting follows is one of the text's own.
LenientJson::Answer LenientJson::ends_string(std::string_view behind, bool at_end) const {
  if (levels_.empty() && !in_key_)
    return Answer::yes;
  const Answer nothing_known = at_end ? Answer::yes : Answer::unknown;
  skip_space(behind);
  if (behind.empty())
    return nothing_known;
  if (const Answer closer = at_closer(behind, at_end); closer != Answer::no)
    return closer;
  const char c = behind.front();
  if (in_key_)
    return c == ':' ? Answer::yes : Answer::no;
  const bool object = levels_.back().object;
  if (c == '}' || c == ']')
    return object == (c == '}') ? Answer::yes : Answer::no;
  if (c != ',')
    return Answer::no;
  behind.remove_prefix(1);
  skip_space(behind);
  if (behind.empty())
    return nothing_known;
  const std::string_view begins = object ? "\"'}" : "\"'{[]-0123456789tfnTFN";
  const bool bare_key = object && quote_ == '\'' && is_word(behind.front()); // as in JavaScript
  return bare_key || begins.contains(behind.front()) ? Answer::yes : Answer::no;
}

bool LenientJson::string(std::string_view& text, bool at_end, std::string& out) {
  while (!text.empty()) {
    const auto plain = std::min(text.find_first_of("\"'\\\n\r\t"), text.size());
    json_escape(text.substr(0, plain), out);
    text.remove_prefix(plain);
    if (text.empty())
      return false;
    const char c = text.front();
    if (c == '\\') {
      if (!escape(text, at_end, out))
        return false;
      continue;
    }
    if (c == quote_) {
      const Answer ends = ends_string(text.substr(1), at_end);
      if (ends == Answer::unknown)
        return false;
      if (ends == Answer::yes) {
        text.remove_prefix(1);
        out += '"';
        if (in_key_)
          expect_ = Expect::colon;
        else
          end_value();
        return true;
      }
    }
    json_escape(text.substr(0, 1), out);
    text.remove_prefix(1);
  }
  return false;
}

/// Everything up to the next raw quote is text.
bool LenientJson::raw_string(std::string_view& text, bool at_end, std::string& out) {
  const auto& quote = syntax_.raw_quote;
  const auto end = text.find(quote);
  auto length = std::min(end, text.size());
  if (end == std::string_view::npos && !at_end)
    for (std::size_t part = std::min(quote.size() - 1, text.size()); part > 0; --part)
      if (text.ends_with(quote.substr(0, part))) {
        length = text.size() - part;
        break;
      }
  json_escape(text.substr(0, length), out);
  text.remove_prefix(length);
  if (end == std::string_view::npos)
    return false;
  text.remove_prefix(quote.size());
  out += '"';
  if (in_key_)
    expect_ = Expect::colon;
  else
    end_value();
  return true;
}

bool LenientJson::escape(std::string_view& text, bool at_end, std::string& out) {
  if (text.size() < 2) {
    if (!at_end)
      return false;
    out += "\\\\";
    text.remove_prefix(1);
    return true;
  }
  const char c = text[1];
  if (c == 'u')
    return unicode_escape(text, at_end, out);
  if (std::string_view("\"\\/bfnrt").contains(c)) {
    out += text.substr(0, 2);
    text.remove_prefix(2);
  } else if (c == '\'') {
    out += c;
    text.remove_prefix(2);
  } else { // a backslash of the text's own, as in "\d"
    out += "\\\\";
    text.remove_prefix(1);
  }
  return true;
}

/// \uXXXX. Half of a surrogate pair alone is no character; some readers refuse it.
bool LenientJson::unicode_escape(std::string_view& text, bool at_end, std::string& out) {
  const auto digits = text.substr(2, 4);
  if (!are_hex(digits)) {
    out += "\\\\";
    text.remove_prefix(1);
    return true;
  }
  if (digits.size() < 4) {
    if (!at_end)
      return false;
    out += "\\\\";
    text.remove_prefix(1);
    return true;
  }
  const unsigned first = hex_value(digits);
  if (first < 0xD800 || first > 0xDFFF) {
    out += text.substr(0, 6);
    text.remove_prefix(6);
    return true;
  }
  const auto second = text.substr(6, 6);
  const bool may_pair = first < 0xDC00 &&
                        std::string_view("\\u").starts_with(second.substr(0, 2)) &&
                        (second.size() < 3 || are_hex(second.substr(2)));
  if (may_pair && second.size() < 6 && !at_end)
    return false;
  if (may_pair && second.size() == 6) {
    const unsigned low = hex_value(second.substr(2));
    if (low >= 0xDC00 && low <= 0xDFFF) {
      out += text.substr(0, 12);
      text.remove_prefix(12);
      return true;
    }
  }
  out += "\\ufffd";
  text.remove_prefix(6);
  return true;
}

void LenientJson::close(std::string& out) {
  if (complete())
    return;
  if (expect_ == Expect::string)
    out += '"';
  // Behind a key, or behind its colon, a value is missing.
  if (!out.empty() || !levels_.empty()) {
    const bool key_open = expect_ == Expect::colon || (expect_ == Expect::string && in_key_);
    if (key_open)
      out += ":null";
    else if (expect_ == Expect::value && !levels_.empty() && levels_.back().object)
      out += "null";
  }
  for (; !levels_.empty(); levels_.pop_back())
    out += levels_.back().object ? '}' : ']';
  expect_ = Expect::nothing;
}

} // namespace anyclaude::answer
