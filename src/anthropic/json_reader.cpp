#include "anthropic/json_reader.h"

#include "text/utf8.h"

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace anyclaude::anthropic {
namespace {

/// The four hex digits of "\uXXXX" at `at`, if it is one.
std::optional<unsigned> unicode_escape(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') {
    return std::nullopt;
  }
  unsigned value = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    const char c = text[i];
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return value;
}

bool is_high(unsigned code) {
  return code >= 0xD800 && code <= 0xDBFF;
}
bool is_low(unsigned code) {
  return code >= 0xDC00 && code <= 0xDFFF;
}

/// Where the lone surrogates are. A backslash is legal inside strings only, so strings need not be
/// told apart here.
std::vector<std::size_t> lone_surrogates(std::string_view text) {
  std::vector<std::size_t> found;
  std::size_t at = text.find('\\');
  while (at != std::string_view::npos) {
    std::size_t next = at + 2;
    if (const auto code = unicode_escape(text, at)) {
      next = at + 6;
      if (is_low(*code)) {
        found.push_back(at);
      } else if (is_high(*code)) {
        const auto second = unicode_escape(text, next);
        if (second && is_low(*second)) {
          next += 6;
        } else {
          found.push_back(at);
        }
      }
    }
    at = next < text.size() ? text.find('\\', next) : std::string_view::npos;
  }
  return found;
}

/// nlohmann's message without its number, its position and the text it quotes.
std::string reason_of(std::string_view what) {
  if (const auto dash = what.find(" - "); dash != std::string_view::npos) {
    what.remove_prefix(dash + 3);
  } else if (const auto bracket = what.find("] "); bracket != std::string_view::npos) {
    what.remove_prefix(bracket + 2);
  }
  what = what.substr(0, what.find("; last read: '"));
  return text::to_valid_utf8(what.substr(0, 200));
}

/// The value as it grows by a parser's calls. Made here because nlohmann's own builder has no limit
/// of depth, and looks through all keys of an ordered object for each new one: quadratic for a
/// hostile body.
class Tree {
 public:
  Json take() { return std::move(values_.front()); }
  bool too_deep() const { return too_deep_; }
  /// Of the value that is being read.
  std::string path() const;

  void key(std::string name) { keys_.push_back(std::move(name)); }
  void value(Json value) { values_.push_back(std::move(value)); }
  /// False where that is too deep.
  bool open(bool is_object) {
    too_deep_ = open_.size() >= static_cast<std::size_t>(kMaxJsonDepth);
    if (!too_deep_) {
      open_.push_back({is_object, keys_.size(), values_.size()});
    }
    return !too_deep_;
  }
  void close() {
    const Container closed = open_.back();
    open_.pop_back();
    Json made = closed.is_object ? object_of(closed) : array_of(closed);
    keys_.resize(closed.keys);
    values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(closed.values), values_.end());
    values_.push_back(std::move(made));
  }

 private:
  /// An object or an array not yet closed, and where its members begin.
  struct Container {
    bool is_object;
    std::size_t keys;
    std::size_t values;
  };

  Json array_of(const Container& of) {
    const auto first = values_.begin() + static_cast<std::ptrdiff_t>(of.values);
    return Json::array_t(std::move_iterator(first), std::move_iterator(values_.end()));
  }

  Json object_of(const Container& of) {
    Json::object_t object;
    const std::size_t count = keys_.size() - of.keys;
    object.reserve(count);
    constexpr std::size_t kFew = 16; // keys that are found sooner by looking at each
    std::unordered_map<std::string_view, std::size_t> places; // of many keys: the index in object
    for (std::size_t i = 0; i < count; ++i) {
      std::string& key = keys_[of.keys + i];
      Json& value = values_[of.values + i];
      auto known = object.end();
      if (count <= kFew) {
        known = object.find(key);
      } else if (const auto place = places.find(key); place != places.end()) {
        known = std::next(object.begin(), static_cast<std::ptrdiff_t>(place->second));
      }
      if (known != object.end()) {
        known->second = std::move(value);
        continue;
      }
      object.emplace_back(std::move(key), std::move(value));
      if (count > kFew) {
        places.emplace(object.back().first, object.size() - 1);
      }
    }
    return Json(std::move(object));
  }

  std::vector<Container> open_;
  std::vector<std::string> keys_; // of the objects not yet closed, the outermost first
  std::vector<Json> values_;
  bool too_deep_ = false;
};

/// Deep or long paths end early: they are to be read by a person.
std::string Tree::path() const {
  constexpr std::size_t kLongest = 200; // bytes
  std::string path;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const bool is_last = i + 1 == open_.size();
    const std::size_t keys = is_last ? keys_.size() : open_[i + 1].keys;
    const std::size_t values = (is_last ? values_.size() : open_[i + 1].values) - open_[i].values;
    if (open_[i].is_object && keys - open_[i].keys == values) {
      break; // between two members
    }
    const std::string step = open_[i].is_object ? keys_[keys - 1] : std::to_string(values);
    if (path.size() + step.size() >= kLongest) {
      break;
    }
    path += (path.empty() ? "" : ".") + step;
  }
  return path;
}

/// Boost's parser is several times as fast as nlohmann's, which looks at each character by itself.
/// It does not say what is wrong in words for a person.
class Fast {
 public:
  static constexpr std::size_t max_array_size = -1;
  static constexpr std::size_t max_object_size = -1;
  static constexpr std::size_t max_string_size = -1;
  static constexpr std::size_t max_key_size = -1;

  using Error = boost::system::error_code;
  using Text = boost::json::string_view;

  Tree tree;

  bool on_document_begin(Error& /*error*/) { return true; }
  bool on_document_end(Error& /*error*/) { return true; }
  bool on_object_begin(Error& error) { return open(true, error); }
  bool on_object_end(std::size_t /*size*/, Error& /*error*/) { return close(); }
  bool on_array_begin(Error& error) { return open(false, error); }
  bool on_array_end(std::size_t /*size*/, Error& /*error*/) { return close(); }
  bool on_key_part(Text part, std::size_t /*so_far*/, Error& /*error*/) { return add(part); }
  bool on_key(Text part, std::size_t /*size*/, Error& /*error*/) {
    tree.key(whole(part));
    return true;
  }
  bool on_string_part(Text part, std::size_t /*so_far*/, Error& /*error*/) { return add(part); }
  bool on_string(Text part, std::size_t /*size*/, Error& /*error*/) { return value(whole(part)); }
  bool on_number_part(Text /*part*/, Error& /*error*/) { return true; }
  bool on_int64(std::int64_t number, Text /*part*/, Error& /*error*/) {
    return number < 0 ? value(number) : value(static_cast<std::uint64_t>(number));
  }
  bool on_uint64(std::uint64_t number, Text /*part*/, Error& /*error*/) { return value(number); }
  bool on_double(double number, Text /*part*/, Error& error) {
    if (!std::isfinite(number)) {
      error = boost::json::error::exponent_overflow;
    }
    return !error && value(number);
  }
  bool on_bool(bool truth, Error& /*error*/) { return value(truth); }
  bool on_null(Error& /*error*/) { return value(nullptr); }
  bool on_comment_part(Text /*part*/, Error& /*error*/) { return true; }
  bool on_comment(Text /*part*/, Error& /*error*/) { return true; }

 private:
  bool open(bool is_object, Error& error) {
    if (!tree.open(is_object)) {
      error = boost::json::error::too_deep;
    }
    return !error;
  }
  bool close() {
    tree.close();
    return true;
  }
  bool value(Json json) {
    tree.value(std::move(json));
    return true;
  }
  bool add(Text part) {
    parts_ += part;
    return true;
  }
  std::string whole(Text last) {
    if (parts_.empty()) {
      return std::string(last);
    }
    parts_ += last;
    return std::exchange(parts_, {});
  }

  std::string parts_; // of a string with escapes
};

/// Nothing where it is wrong.
std::optional<Json> read_fast(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxJsonDepth + 1; // the tree sees to it
  options.numbers = boost::json::number_precision::precise;
  boost::json::basic_parser<Fast> parser(options);
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (error || text.find_first_not_of(" \t\r\n", read) != std::string_view::npos) {
    return std::nullopt;
  }
  return std::optional<Json>(std::in_place, parser.handler().tree.take());
}

/// Says what is wrong and where.
class Careful : public nlohmann::json_sax<Json> {
 public:
  Tree tree;
  std::size_t error_byte = 0;
  std::string error_reason;

  bool null() override { return value(nullptr); }
  bool boolean(bool truth) override { return value(truth); }
  bool number_integer(number_integer_t number) override { return value(number); }
  bool number_unsigned(number_unsigned_t number) override { return value(number); }
  bool number_float(number_float_t number, const string_t&) override { return value(number); }
  bool string(string_t& text) override { return value(std::move(text)); }
  bool binary(binary_t&) override { return false; } // not in JSON text
  bool key(string_t& name) override {
    tree.key(std::move(name));
    return true;
  }
  bool start_object(std::size_t) override { return tree.open(true); }
  bool start_array(std::size_t) override { return tree.open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& ex) override {
    error_byte = position;
    error_reason = reason_of(ex.what());
    return false;
  }

 private:
  bool value(Json json) {
    tree.value(std::move(json));
    return true;
  }
  bool close() {
    tree.close();
    return true;
  }
};

JsonError locate(std::string_view text, std::size_t byte, std::string path, std::string reason) {
  JsonError error{std::min(byte, text.size()), 1, 1, std::move(path), std::move(reason)};
  const std::string_view before = text.substr(0, error.byte);
  error.line += static_cast<std::size_t>(std::ranges::count(before, '\n'));
  const auto newline = before.rfind('\n');
  error.column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return error;
}

/// The byte where the container beyond the limit of depth opens. The text before it is sound.
std::size_t too_deep_at(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) {
        return i;
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return text.size();
}

} // namespace

std::string JsonError::to_string() const {
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + " (byte " +
         std::to_string(byte) + ")" + (path.empty() ? "" : ", in " + path) + ": " + reason;
}

std::expected<Json, JsonError> read_json(std::string_view text) {
  std::string repaired;
  std::string_view source = text;
  if (const auto lone = lone_surrogates(text); !lone.empty()) {
    repaired = text;
    for (const std::size_t at : lone) {
      repaired.replace(at + 2, 4, "fffd"); // as long as before: positions stay true
    }
    source = repaired;
  }
  if (auto json = read_fast(source)) {
    return *std::move(json);
  }
  Careful careful;
  if (Json::sax_parse(source, &careful)) {
    return careful.tree.take();
  }
  if (careful.tree.too_deep()) {
    return std::unexpected(
        locate(text, too_deep_at(text), careful.tree.path(),
               "nested deeper than " + std::to_string(kMaxJsonDepth) + " levels"));
  }
  // The parser counts the byte it stopped at; people look for the byte itself.
  const std::size_t read = careful.error_byte;
  return std::unexpected(
      locate(text, read > 0 ? read - 1 : 0, careful.tree.path(), careful.error_reason));
}

} // namespace anyclaude::anthropic
