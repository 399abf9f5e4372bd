#include "answer/schema_grammar.h"

#include <algorithm>
#include <array>
#include <format>
#include <set>

namespace anyclaude::answer {

namespace {

constexpr int kDeepestInGrammar = 32; // of schemas within each other
constexpr int kMostItems = 64;    // GBNF writes bounds out, so larger ones are left to SchemaCheck
constexpr int kLongestText = 256; // characters, likewise

const char* const kAny = "any JSON";

int bound(const Json& schema, const char* key, int otherwise, int most) {
  const auto found = schema.find(key);
  if (found == schema.end() || !found->is_number())
    return otherwise;
  const double value = found->get<double>();
  return value >= 0 && value <= most ? static_cast<int>(value) : otherwise;
}

bool has(const Json& schema, const char* key) {
  return schema.contains(key);
}

/// "{2,5}", "*" and the like; `most` < 0: no bound.
std::string repetition(int least, int most) {
  if (most < 0)
    return least == 0 ? "*" : least == 1 ? "+" : "{" + std::to_string(least) + ",}";
  return "{" + std::to_string(least) + "," + std::to_string(most) + "}";
}

std::string hex(unsigned value) {
  return std::format("\\x{:02X}", value);
}

} // namespace

std::string gbnf_literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7F)
      out += hex(byte);
    else
      out += c;
  }
  return out + '"';
}

const Json* referred(const Json& root, std::string_view reference) {
  if (!reference.starts_with('#'))
    return nullptr;
  try {
    const Json::json_pointer pointer{std::string(reference.substr(1))};
    return root.contains(pointer) ? &root.at(pointer) : nullptr;
  } catch (const Json::exception&) {
    return nullptr;
  }
}

Json merged_all_of(const Json& schema, const Json& root) {
  Json merged = schema;
  merged.erase("allOf");
  for (Json part : schema["allOf"]) {
    if (part.is_object() && part.contains("$ref") && part["$ref"].is_string())
      if (const Json* found = referred(root, part["$ref"].get<std::string>()))
        part = *found;
    if (!part.is_object() || part.contains("$ref") || part.contains("allOf"))
      return Json();
    for (const auto& [key, value] : part.items()) {
      if (key == "properties" && merged.contains(key))
        merged[key].update(value);
      else if (key == "required" && merged.contains(key))
        merged[key].insert(merged[key].end(), value.begin(), value.end());
      else if (merged.contains(key) && merged[key] != value)
        return Json();
      else
        merged[key] = value;
    }
  }
  return merged;
}

SchemaGrammar::SchemaGrammar(Style style, std::string raw_quote)
    : style_(style), raw_quote_(std::move(raw_quote)) {}

std::string SchemaGrammar::add(const std::string& hint, const std::string& body) {
  if (const auto found = known_.find(body); found != known_.end())
    return found->second;
  std::string name;
  for (const char c : hint)
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
      name += c;
  name += "-" + std::to_string(rules_.size());
  rules_.emplace_back(name, body);
  known_[body] = name;
  return name;
}

std::string SchemaGrammar::text(const std::string& root) const {
  std::string out = "root ::= " + root + "\n";
  for (const auto& [name, body] : rules_)
    out += name + " ::= " + body + "\n";
  return out;
}

const std::string& SchemaGrammar::comma() const {
  static const std::string kJson = "\",\" \" \"?";
  static const std::string kGemma = "\",\"";
  return style_ == Style::json ? kJson : kGemma;
}

const std::string& SchemaGrammar::colon() const {
  static const std::string kJson = "\":\" \" \"?";
  static const std::string kGemma = "\":\"";
  return style_ == Style::json ? kJson : kGemma;
}

std::string SchemaGrammar::key(const std::string& name) const {
  return gbnf_literal(style_ == Style::json ? Json(name).dump() : name) + " " + colon();
}

/// A value as it stands in the answer, character for character.
std::string SchemaGrammar::literal(const Json& value) const {
  if (style_ == Style::json) {
    std::string text;
    if (value.is_object() || value.is_array()) { // with the blanks that other values may have
      const bool object = value.is_object();
      text = gbnf_literal(object ? "{" : "[");
      bool first = true;
      for (const auto& [name, item] : value.items()) {
        text += (first ? " " : " " + comma() + " ") + (object ? key(name) + " " : "");
        text += literal(item);
        first = false;
      }
      return text + " " + gbnf_literal(object ? "}" : "]");
    }
    return gbnf_literal(value.dump());
  }
  if (value.is_string())
    return gbnf_literal(raw_quote_ + value.get<std::string>() + raw_quote_);
  if (!value.is_structured())
    return gbnf_literal(value.dump());
  std::string text = gbnf_literal(value.is_object() ? "{" : "[");
  bool first = true;
  for (const auto& [name, item] : value.items()) {
    text += (first ? " " : " \",\" ") + (value.is_object() ? key(name) + " " : "") + literal(item);
    first = false;
  }
  return text + " " + gbnf_literal(value.is_object() ? "}" : "]");
}

/// One character of a JSON string. Escapes of half a surrogate pair are no characters.
std::string SchemaGrammar::character() {
  return add("character", "[^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" "
                          "([0-9a-cA-CeEfF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))");
}

std::string SchemaGrammar::any_string() {
  if (style_ == Style::gemma)
    return add("text", gbnf_literal(raw_quote_) + " " + text_without({raw_quote_}) + " " +
                           gbnf_literal(raw_quote_));
  return add("text", "\"\\\"\" " + character() + "* \"\\\"\"");
}

std::string SchemaGrammar::string(const Json& schema) {
  const int least = bound(schema, "minLength", 0, kLongestText);
  const int most = bound(schema, "maxLength", -1, kLongestText);
  if ((least == 0 && most < 0) || (most >= 0 && least > most))
    return any_string();
  if (style_ == Style::gemma) // without the quote's first character, which keeps it simple
    return add("text", gbnf_literal(raw_quote_) + " [^<]" + repetition(least, most) + " " +
                           gbnf_literal(raw_quote_));
  return add("text", "\"\\\"\" " + character() + repetition(least, most) + " \"\\\"\"");
}

/// JSON of any kind, as deep as it comes.
std::string SchemaGrammar::any_value() {
  if (const auto found = known_.find(kAny); found != known_.end())
    return found->second;
  const std::string name = "any-" + std::to_string(rules_.size());
  known_[kAny] = name;
  const auto place = rules_.size();
  rules_.emplace_back(name, "");
  const std::string any_key = style_ == Style::json ? any_string() : "[a-zA-Z_] [a-zA-Z0-9_]{0,40}";
  const auto member = add("member", any_key + " " + colon() + " " + name);
  rules_[place].second = any_string() + " | " + typed("number", Json::object(), {}, 0) +
                         " | \"true\" | \"false\" | \"null\" | \"{\" (" + member + " (" + comma() +
                         " " + member + ")*)? \"}\" | \"[\" (" + name + " (" + comma() + " " +
                         name + ")*)? \"]\"";
  return name;
}

std::string SchemaGrammar::value(const Json& schema, const Json& root) {
  return add("value", body(schema, root, 0));
}

std::string SchemaGrammar::json_value(const Json& schema) {
  if (style_ == Style::json)
    return value(schema, schema);
  // Rules that were made before stay: their names differ, and what they were made of is forgotten.
  const Style style = std::exchange(style_, Style::json);
  auto known = std::exchange(known_, {});
  auto name = value(schema, schema);
  style_ = style;
  known_ = std::move(known);
  return name;
}

std::string SchemaGrammar::alternatives(const Json& schemas, const Json& root, int depth) {
  std::string out;
  for (const Json& schema : schemas)
    out += (out.empty() ? "" : " | ") + add("choice", body(schema, root, depth));
  return out.empty() ? any_value() : out;
}

/// A rule's name is known before its body is made, so that a schema can refer to itself.
std::string SchemaGrammar::reference(const Json& schema, const Json& root, int depth) {
  const auto where = schema["$ref"].is_string() ? schema["$ref"].get<std::string>() : "";
  const std::string mark = "$ref " + where + " " +
                           std::to_string(std::hash<std::string>{}(
                               root.contains("$defs") ? root["$defs"].dump() : root.dump()));
  if (const auto found = known_.find(mark); found != known_.end())
    return found->second;
  const Json* target = referred(root, where);
  if (!target)
    return any_value();
  const std::string name = "ref-" + std::to_string(rules_.size());
  known_[mark] = name;
  const auto place = rules_.size();
  rules_.emplace_back(name, "");
  const auto made = body(*target, root, depth);
  // One that is nothing but itself would never end.
  rules_[place].second = made == name ? "\"null\"" : made;
  return name;
}

std::string SchemaGrammar::body(const Json& schema, const Json& root, int depth) {
  if (!schema.is_object() || depth > kDeepestInGrammar)
    return any_value();
  ++depth;
  if (has(schema, "$ref"))
    return reference(schema, root, depth);
  if (has(schema, "const"))
    return literal(schema["const"]);
  if (has(schema, "enum") && schema["enum"].is_array() && !schema["enum"].empty()) {
    std::string out;
    for (const Json& choice : schema["enum"])
      out += (out.empty() ? "" : " | ") + literal(choice);
    return out;
  }
  if (has(schema, "allOf") && schema["allOf"].is_array()) {
    const Json merged = merged_all_of(schema, root);
    return merged.is_null() ? any_value() : body(merged, root, depth);
  }
  for (const char* key : {"anyOf", "oneOf"})
    if (has(schema, key) && schema[key].is_array())
      return alternatives(schema[key], root, depth);
  if (!has(schema, "type"))
    return has(schema, "properties") ? object(schema, root, depth)
           : has(schema, "items")    ? array(schema, root, depth)
                                     : any_value();
  const Json& type = schema["type"];
  if (type.is_string())
    return typed(type.get<std::string>(), schema, root, depth);
  std::string out;
  for (const Json& each : type)
    if (each.is_string())
      out += (out.empty() ? "" : " | ") +
             add("type", typed(each.get<std::string>(), schema, root, depth));
  return out.empty() ? any_value() : out;
}

std::string SchemaGrammar::typed(const std::string& type, const Json& schema, const Json& root,
                                 int depth) {
  if (type == "object")
    return object(schema, root, depth);
  if (type == "array")
    return array(schema, root, depth);
  if (type == "string")
    return string(schema);
  if (type == "boolean")
    return "\"true\" | \"false\"";
  if (type == "null")
    return "\"null\"";
  if (type != "number" && type != "integer")
    return any_value();
  const bool positive = has(schema, "minimum") && schema["minimum"].is_number() &&
                        schema["minimum"].get<double>() > 0 && type == "integer";
  const bool natural = has(schema, "minimum") && schema["minimum"].is_number() &&
                       schema["minimum"].get<double>() >= 0;
  const std::string whole =
      positive ? "[1-9] [0-9]{0,15}"
               : std::string(natural ? "" : "\"-\"? ") + "(\"0\" | [1-9] [0-9]{0,15})";
  if (type == "integer")
    return whole;
  return whole + " (\".\" [0-9]{1,16})? ([eE] [-+]? [1-9] [0-9]?)?";
}

std::string SchemaGrammar::array(const Json& schema, const Json& root, int depth) {
  const int least = bound(schema, "minItems", 0, kMostItems);
  int most = bound(schema, "maxItems", -1, kMostItems);
  if (most >= 0 && least > most)
    most = -1;
  if (has(schema, "prefixItems") && schema["prefixItems"].is_array()) {
    std::string out = "\"[\"";
    for (const Json& item : schema["prefixItems"])
      out += (out.size() > 3 ? " " + comma() : "") + " " + add("item", body(item, root, depth));
    return out + " \"]\"";
  }
  const auto item =
      has(schema, "items") ? add("item", body(schema["items"], root, depth)) : any_value();
  if (most == 0)
    return "\"[]\"";
  const std::string more = "(" + comma() + " " + item + ")" +
                           repetition(std::max(least - 1, 0), most < 0 ? -1 : most - 1);
  return "\"[\" " + (least == 0 ? "(" + item + " " + more + ")?" : item + " " + more) + " \"]\"";
}

/// Members stand in the schema's order. For each place in it there are two rules: something was
/// written before, so that a comma comes first, or nothing was.
std::string SchemaGrammar::object(const Json& schema, const Json& root, int depth) {
  const Json none = Json::object();
  const Json& properties =
      has(schema, "properties") && schema["properties"].is_object() ? schema["properties"] : none;
  if (properties.empty()) {
    const auto extra = schema.find("additionalProperties");
    if (extra != schema.end() && extra->is_boolean() && !extra->get<bool>())
      return "\"{}\"";
    const auto of = extra != schema.end() && extra->is_object()
                        ? add("item", body(*extra, root, depth))
                        : any_value();
    const std::string any_key =
        style_ == Style::json ? any_string() : "[a-zA-Z_] [a-zA-Z0-9_]{0,40}";
    const auto member = add("member", any_key + " " + colon() + " " + of);
    return "\"{\" (" + member + " (" + comma() + " " + member + ")*)? \"}\"";
  }
  std::set<std::string> required;
  if (has(schema, "required") && schema["required"].is_array())
    for (const Json& name : schema["required"])
      if (name.is_string())
        required.insert(name.get<std::string>());
  std::vector<std::pair<std::string, bool>> members; // rule, whether it must be there
  for (const auto& [name, of] : properties.items())
    members.emplace_back(add("member", key(name) + " " + add("value", body(of, root, depth))),
                         required.contains(name));
  std::string first = "\"}\"";
  std::string later = "\"}\"";
  for (std::size_t i = members.size(); i-- > 0;) {
    const auto& [member, must] = members[i];
    const auto behind = add("more", later);
    const std::string here = member + " " + behind;
    const std::string here_later = comma() + " " + member + " " + behind;
    first = must ? here : here + " | " + add("first", first);
    later = must ? here_later : here_later + " | " + behind;
  }
  return "\"{\" " + add("first", first);
}

std::string SchemaGrammar::text_without(const std::vector<std::string>& excluded) {
  std::string mark = "text without";
  for (const auto& text : excluded)
    mark += " " + text;
  if (const auto found = known_.find(mark); found != known_.end())
    return found->second;
  // A rule for each beginning of an excluded text that was just written; the characters that lead
  // on to a longer one are its exceptions. Texts begin with their first character nowhere else, so
  // that whatever leads on to none begins anew.
  std::set<std::string> beginnings{""};
  for (const auto& text : excluded)
    for (std::size_t length = 1; length < text.size(); ++length)
      if ((static_cast<unsigned char>(text[length]) & 0xC0) != 0x80) // whole characters
        beginnings.insert(text.substr(0, length));
  std::map<std::string, std::string> names;
  for (const auto& beginning : beginnings)
    names[beginning] = "free-" + std::to_string(rules_.size()) + "-" + std::to_string(names.size());
  known_[mark] = names[""];
  for (const auto& beginning : beginnings) {
    std::map<std::string, std::string> next; // character -> the beginning that it leads to
    for (const auto& from : {beginning, std::string()})
      for (const auto& text : excluded)
        if (text.size() > from.size() && text.starts_with(from)) {
          std::size_t end = from.size() + 1;
          while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
            ++end;
          next.try_emplace(text.substr(from.size(), end - from.size()), text.substr(0, end));
        }
    std::string other;
    std::string on;
    for (const auto& [character, leads] : next) {
      other += character == "\\" || character == "]" ? "\\" + character : character;
      if (!std::ranges::contains(excluded, leads))
        on += gbnf_literal(character) + " " + names[leads] + " | ";
    }
    rules_.emplace_back(names[beginning], on + "[^" + other + "] " + names[""] + " | \"\"");
  }
  return names[""];
}

} // namespace anyclaude::answer
