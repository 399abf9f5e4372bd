#include "anthropic/json_reader.h"

#include "text/utf8.h"

#include <algorithm>
#include <cstddef>
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

/// Builds the value from the parser's calls. nlohmann's own builder has no limit of depth, and
/// looks through all keys of an ordered object for each new one: quadratic for a hostile body.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Json take() { return std::move(root_); }
  bool too_deep() const { return too_deep_; }
  std::size_t error_byte() const { return error_byte_; }
  const std::string& error_reason() const { return error_reason_; }
  /// Of the value that was being read.
  std::string path() const;

  bool null() override { return place(nullptr); }
  bool boolean(bool value) override { return place(value); }
  bool number_integer(number_integer_t value) override { return place(value); }
  bool number_unsigned(number_unsigned_t value) override { return place(value); }
  bool number_float(number_float_t value, const string_t&) override { return place(value); }
  bool string(string_t& value) override { return place(std::move(value)); }
  bool binary(binary_t&) override { return false; } // not in JSON text

  bool key(string_t& name) override {
    open_.back().keys.push_back(std::move(name));
    return true;
  }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override {
    Container closed = close();
    return place(object_of(closed));
  }
  bool end_array() override { return place(close().values); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& ex) override {
    error_byte_ = position;
    error_reason_ = reason_of(ex.what());
    return false;
  }

 private:
  /// An object or an array not yet closed.
  struct Container {
    bool is_object = false;
    std::vector<std::string> keys; // of an object
    Json::array_t values;
  };

  bool place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      open_.back().values.push_back(std::move(value));
    }
    return true;
  }

  bool open(bool is_object) {
    too_deep_ = open_.size() >= static_cast<std::size_t>(kMaxJsonDepth);
    if (!too_deep_) {
      open_.push_back({is_object, {}, {}});
    }
    return !too_deep_;
  }

  Container close() {
    Container closed = std::move(open_.back());
    open_.pop_back();
    return closed;
  }

  static Json object_of(Container& members) {
    Json::object_t object;
    object.reserve(members.keys.size());
    constexpr std::size_t kFew = 16; // keys that are found sooner by looking at each
    if (members.keys.size() <= kFew) {
      for (std::size_t i = 0; i < members.keys.size(); ++i) {
        if (const auto known = object.find(members.keys[i]); known != object.end()) {
          known->second = std::move(members.values[i]);
        } else {
          object.push_back({std::move(members.keys[i]), std::move(members.values[i])});
        }
      }
      return Json(std::move(object));
    }
    std::unordered_map<std::string_view, std::size_t> places; // key -> index in object
    for (std::size_t i = 0; i < members.keys.size(); ++i) {
      const auto [known, fresh] = places.try_emplace(members.keys[i], object.size());
      if (fresh) {
        object.push_back({members.keys[i], std::move(members.values[i])});
      } else {
        std::next(object.begin(), static_cast<std::ptrdiff_t>(known->second))->second =
            std::move(members.values[i]);
      }
    }
    return Json(std::move(object));
  }

  Json root_;
  std::vector<Container> open_;
  bool too_deep_ = false;
  std::size_t error_byte_ = 0;
  std::string error_reason_;
};

/// Deep or long paths end early: they are to be read by a person.
std::string Builder::path() const {
  constexpr std::size_t kLongest = 200; // bytes
  std::string path;
  for (const Container& container : open_) {
    if (container.is_object && container.keys.size() == container.values.size()) {
      break; // between two members
    }
    const std::string step =
        container.is_object ? container.keys.back() : std::to_string(container.values.size());
    if (path.size() + step.size() >= kLongest) {
      break;
    }
    path += (path.empty() ? "" : ".") + step;
  }
  return path;
}

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
  Builder builder;
  if (Json::sax_parse(source, &builder)) {
    return builder.take();
  }
  if (builder.too_deep()) {
    return std::unexpected(
        locate(text, too_deep_at(text), builder.path(),
               "nested deeper than " + std::to_string(kMaxJsonDepth) + " levels"));
  }
  // The parser counts the byte it stopped at; people look for the byte itself.
  const std::size_t read = builder.error_byte();
  return std::unexpected(
      locate(text, read > 0 ? read - 1 : 0, builder.path(), builder.error_reason()));
}

} // namespace anyclaude::anthropic
