#pragma once

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::answer {

/// `text` as a GBNF literal.
std::string gbnf_literal(std::string_view text);

/// Makes GBNF, libllama's grammar language, of JSON Schemas. What is enforced: type (also a list),
/// properties in the schema's order with `required`, additionalProperties where no properties are
/// named, items, prefixItems, minItems and maxItems, enum, const, anyOf, oneOf (as anyOf), allOf of
/// objects, $ref within the document, minLength and maxLength, a minimum of 0 or 1. The rest
/// (pattern, format, other bounds, not, …) is left to SchemaCheck. What no rule can say becomes any
/// JSON. An object has no members but those of its schema. Source of GBNF:
/// https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
class SchemaGrammar {
 public:
  /// How values are written.
  enum class Style {
    json,
    gemma, // bare keys, strings between `raw_quote` with nothing escaped
  };
  explicit SchemaGrammar(Style style = Style::json, std::string raw_quote = {});

  /// The name of a rule for values of this schema. `root`: the document that $ref looks into.
  std::string value(const Json& schema, const Json& root);

  /// The same in plain JSON, whatever the style.
  std::string json_value(const Json& schema);

  /// Adds a rule under a name that is like `hint`; gives its name.
  std::string add(const std::string& hint, const std::string& body);

  /// A rule for text that has none of these in it, of any length. Each must begin with its first
  /// character nowhere else.
  std::string text_without(const std::vector<std::string>& excluded);

  /// All rules, "root ::= …" in front.
  std::string text(const std::string& root) const;

 private:
  std::string body(const Json& schema, const Json& root, int depth);
  std::string reference(const Json& schema, const Json& root, int depth);
  std::string typed(const std::string& type, const Json& schema, const Json& root, int depth);
  std::string object(const Json& schema, const Json& root, int depth);
  std::string array(const Json& schema, const Json& root, int depth);
  std::string string(const Json& schema);
  std::string any_value();
  std::string any_string();
  std::string character();
  std::string literal(const Json& value) const;
  std::string key(const std::string& name) const;
  std::string alternatives(const Json& schemas, const Json& root, int depth);
  const std::string& comma() const;
  const std::string& colon() const;

  Style style_;
  std::string raw_quote_;
  std::vector<std::pair<std::string, std::string>> rules_; // name, body
  std::map<std::string, std::string> known_;               // what a rule was made of -> its name
};

/// Both of two object schemas in one, as allOf means it for objects.
Json merged_all_of(const Json& schema, const Json& root);
/// What "#/$defs/name" refers to; null where there is nothing.
const Json* referred(const Json& root, std::string_view reference);

} // namespace anyclaude::answer
