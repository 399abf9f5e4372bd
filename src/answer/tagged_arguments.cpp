#include "answer/tagged_arguments.h"

#include "answer/lenient_json.h"
#include "answer/text_scan.h"

#include <nlohmann/json.hpp>

namespace anyclaude::answer {

namespace {

constexpr std::size_t kLongestKey = 200; // bytes
constexpr std::size_t npos = std::string_view::npos;

enum Ends : std::uint8_t { no, yes, unknown };

/// The key that a tag names, quotes left out; empty where it is none.
std::string_view plain_key(std::string_view key) {
  key = trim(key);
  if (key.size() > 1 && key.starts_with('"') && key.ends_with('"'))
    key = key.substr(1, key.size() - 2);
  return key.find_first_of("\"<>\n") == npos ? key : std::string_view{};
}

} // namespace

bool allows_string(const Json& schema) {
  const auto says = [&schema](const char* key) { return schema.find(key) != schema.end(); };
  if (says("type")) {
    const Json& type = schema["type"];
    return type == "string" || (type.is_array() && std::ranges::contains(type, Json("string")));
  }
  for (const char* key : {"anyOf", "oneOf"})
    if (says(key) && schema[key].is_array())
      return std::ranges::any_of(
          schema[key], [](const Json& each) { return each.is_object() && allows_string(each); });
  if (says("enum") && schema["enum"].is_array())
    return std::ranges::any_of(schema["enum"], [](const Json& v) { return v.is_string(); });
  return says("const") && schema["const"].is_string();
}

namespace {

bool allows_null(const Json& schema) {
  const std::string text = schema.dump();
  return text.contains("\"null\"") || text.contains("null]");
}

bool says_type(const Json& schema) {
  for (const char* key : {"type", "anyOf", "oneOf", "enum", "const", "$ref", "properties", "items"})
    if (schema.contains(key))
      return true;
  return false;
}

/// string="tru" and the like. Anything more is no attribute, but what a tag without its end would
/// swallow.
bool is_misspelt_type(std::string_view attributes) {
  return take(attributes, "string=\"") && std::ranges::all_of(attributes, [](char c) {
           return c == '"' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

} // namespace

void TaggedArguments::begin(const ToolSpec* tool) {
  tool_ = tool;
}

/// Null where nothing is said of the argument.
const Json* TaggedArguments::schema_of(const std::string& key) const {
  if (!tool_ || !tool_->schema->is_object() || !tool_->schema->contains("properties"))
    return nullptr;
  const Json& properties = (*tool_->schema)["properties"];
  if (!properties.is_object() || !properties.contains(key))
    return nullptr;
  const Json& schema = properties[key];
  return schema.is_object() && says_type(schema) ? &schema : nullptr;
}

TaggedArguments::Kind TaggedArguments::kind_of(const std::string& key) const {
  const Json* schema = schema_of(key);
  if (!schema)
    return Kind::unknown;
  if (schema->contains("enum") && (*schema)["enum"].is_array() &&
      !std::ranges::all_of((*schema)["enum"], [](const Json& c) { return c.is_string(); }))
    return Kind::choice;
  if (!allows_string(*schema))
    return Kind::json;
  return allows_null(*schema) ? Kind::string_or_null : Kind::string;
}

bool TaggedArguments::read(std::string_view& text, bool at_end, Writer& writer) {
  while (!over_) {
    const bool went_on = in_value_ ? value(text, at_end, writer) : between(text, at_end, writer);
    if (!went_on)
      return over_;
  }
  return true;
}

/// Between two values. False when more text is needed or the call is over.
bool TaggedArguments::between(std::string_view& text, bool at_end, Writer& writer) {
  std::string_view rest = text;
  skip_blank(rest);
  if (rest.starts_with(syntax_.key_open)) {
    text = rest;
    return open_value(text, at_end, writer);
  }
  if (take(rest, syntax_.value_close)) { // one too many
    text = rest;
    return true;
  }
  const bool waits = may_become(rest, syntax_.key_open, at_end) ||
                     may_become(rest, syntax_.end, at_end) ||
                     may_become(rest, syntax_.value_close, at_end);
  if (waits)
    return false;
  if (take(rest, syntax_.end) || rest.empty())
    text = rest;
  return end(writer, false);
}

bool TaggedArguments::end(Writer& writer, bool cut) {
  writer.input(given_.empty() ? "{}" : "}");
  writer.end_call(cut);
  over_ = true;
  return false;
}

bool TaggedArguments::open_value(std::string_view& text, bool at_end, Writer& writer) {
  std::string_view rest = text.substr(syntax_.key_open.size());
  const auto close = find_near(rest, syntax_.key_close, kLongestKey, at_end);
  if (!close)
    return false;
  const std::string key(*close == npos ? std::string_view{} : plain_key(rest.substr(0, *close)));
  if (key.empty()) // no tag of an argument: what follows is text
    return end(writer, true);
  rest.remove_prefix(*close + syntax_.key_close.size());
  kind_ = kind_of(key);
  if (kind_ == Kind::choice)
    choices_ = (*schema_of(key))["enum"];
  if (syntax_.value_open == ">") { // attributes of the opening tag; DeepSeek's tell the type
    const auto found = find_near(rest, ">", kLongestKey, at_end);
    if (!found)
      return false;
    const auto end = *found;
    const auto attributes = trim(rest.substr(0, end));
    if (attributes == "string=\"true\"" && kind_ != Kind::choice)
      kind_ = Kind::string;
    else if (attributes == "string=\"false\"" && kind_ != Kind::choice)
      kind_ = Kind::json;
    else if (end == npos || (!attributes.empty() && !is_misspelt_type(attributes)))
      return this->end(writer, true);
    rest.remove_prefix(end + 1);
  } else if (!syntax_.value_open.empty()) {
    skip_blank(rest);
    if (rest.empty() ? !at_end : may_become(rest, syntax_.value_open, at_end))
      return false;
    take(rest, syntax_.value_open);
  }
  text = rest;
  writer.input((given_.empty() ? "{" : ",") + json_quote(key) + ":");
  given_.insert(key);
  in_value_ = true;
  at_value_start_ = true;
  string_open_ = false;
  held_.clear();
  return true;
}

/// Whether a value ends in front of `rest`, which begins with '<'; the closing tag is not asked.
int TaggedArguments::ends_here(std::string_view rest, bool at_end) const {
  if (rest.starts_with(syntax_.key_open)) {
    const auto behind = rest.substr(syntax_.key_open.size());
    const auto close = find_near(behind, syntax_.key_close, kLongestKey, at_end);
    if (!close)
      return unknown;
    if (*close == npos)
      return no;
    const std::string key(plain_key(behind.substr(0, *close)));
    return kind_of(key) != Kind::unknown && !given_.contains(key) ? yes : no;
  }
  if (take(rest, syntax_.end)) {
    if (syntax_.outer_end.empty())
      return yes;
    skip_blank(rest);
    if (rest.empty())
      return at_end ? yes : unknown;
    if (may_become(rest, syntax_.outer_end, at_end))
      return unknown;
    return rest.starts_with(syntax_.outer_end) ? yes : no;
  }
  return may_become(rest, syntax_.key_open, at_end) || may_become(rest, syntax_.end, at_end)
             ? unknown
             : no;
}

TaggedArguments::ValueEnd TaggedArguments::find_end(std::string_view text, bool at_end) const {
  const auto without_line_end = [&](std::size_t length) {
    return length - (syntax_.value_on_lines && length > 0 && text[length - 1] == '\n' ? 1 : 0);
  };
  for (std::size_t at = text.find('<'); at != npos; at = text.find('<', at + 1)) {
    const auto rest = text.substr(at);
    if (rest.starts_with(syntax_.value_close))
      return {without_line_end(at), at - without_line_end(at) + syntax_.value_close.size(), true};
    const int ends =
        may_become(rest, syntax_.value_close, at_end) ? int{unknown} : ends_here(rest, at_end);
    if (ends == yes)
      return {without_line_end(at), at - without_line_end(at), true};
    if (ends == unknown)
      return {without_line_end(at), 0, false};
  }
  if (!at_end)
    return {without_line_end(text.size()), 0, false};
  const auto begun = partial_length(text, syntax_.value_close);
  return {text.size() - begun, begun, false};
}

bool TaggedArguments::value(std::string_view& text, bool at_end, Writer& writer) {
  if (at_value_start_) {
    if (text.empty() && !at_end)
      return false;
    if (syntax_.value_on_lines)
      take(text, "\n");
    at_value_start_ = false;
  }
  const ValueEnd end = find_end(text, at_end);
  write_value(text.substr(0, end.length), writer);
  text.remove_prefix(end.length + end.closing);
  if (!end.found && !at_end)
    return false;
  end_value(writer);
  return end.found || this->end(writer, true); // nothing follows
}

/// Strings go on at once; what may be something else is held until it is complete.
void TaggedArguments::write_value(std::string_view part, Writer& writer) {
  if (part.empty())
    return;
  if (held_.empty() && (kind_ == Kind::unknown || kind_ == Kind::string_or_null)) {
    const auto first = part.find_first_not_of(kBlank);
    // Only these can begin what is not taken for a string.
    const std::string_view others = kind_ == Kind::unknown ? "{[n" : "n";
    if (first != npos && !others.contains(part[first]))
      kind_ = Kind::string;
  }
  if (kind_ != Kind::string) {
    held_ += part;
    return;
  }
  std::string piece;
  if (!string_open_)
    piece = '"';
  string_open_ = true;
  json_escape(part, piece);
  writer.input(piece);
}

void TaggedArguments::end_value(Writer& writer) {
  in_value_ = false;
  if (string_open_) {
    writer.input("\"");
    return;
  }
  if (kind_ == Kind::choice) {
    const bool is_text = std::ranges::contains(choices_, Json(held_));
    for (const Json& choice : choices_)
      if (!is_text && !choice.is_string() && choice.dump() == trim(held_)) {
        writer.input(choice.dump());
        return;
      }
    writer.input(json_quote(held_));
    return;
  }
  std::string json;
  std::string_view rest = held_;
  LenientJson reader;
  reader.read(rest, true, json);
  const bool is_json = reader.complete() && trim(rest).empty() && kind_ != Kind::string;
  const bool word = json.starts_with('"') && !trim(held_).starts_with('"');
  const bool meant =
      kind_ == Kind::json || json == "null" || json.starts_with('{') || json.starts_with('[');
  writer.input(is_json && meant && !word ? json : json_quote(held_));
}

} // namespace anyclaude::answer
