#include "demo/script.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <utility>

namespace anyclaude::demo {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostRepetitions = 2000;
constexpr std::size_t kMostScripts = 1000;
constexpr std::size_t kLongestName = 64;

constexpr std::string_view kHonestSentence =
    "I am anyclaude's built-in demo model, a stand-in that only knows this sentence; for real "
    "answers "
    "start `anyclaude --model /path/to/model.gguf` with a model of your own.";

/// What is wrong, and where; thrown and caught within this file.
struct ScriptError {
  std::string where;
  std::string what;
};

/// A JSON value with its path, for errors that say where they are.
struct Place {
  const Json& value;
  std::string path;

  [[noreturn]] void fail(std::string what) const {
    throw ScriptError{path.empty() ? "the top level" : path, std::move(what)};
  }
  const Place& object(std::initializer_list<std::string_view> known) const {
    if (!value.is_object())
      fail("must be an object");
    for (const auto& [key, unused] : value.items()) {
      if (std::ranges::find(known, key) == known.end())
        fail(std::format("has an unknown key \"{}\"", key));
    }
    return *this;
  }
  std::optional<Place> find(const char* key) const {
    const auto found = value.find(key);
    if (found == value.end())
      return std::nullopt;
    return Place{*found, path.empty() ? key : path + "." + key};
  }
  Place at(const char* key) const {
    if (auto found = find(key))
      return *std::move(found);
    fail(std::format("lacks \"{}\"", key));
  }
  std::vector<Place> elements() const {
    if (!value.is_array())
      fail("must be an array");
    std::vector<Place> places;
    for (std::size_t i = 0; i < value.size(); ++i) {
      places.push_back({value[i], std::format("{}[{}]", path, i)});
    }
    return places;
  }
  std::string string() const {
    if (!value.is_string())
      fail("must be a string");
    std::string text = value.get<std::string>();
    if (text.contains('\0'))
      fail("must not contain the character U+0000");
    return text;
  }
  std::size_t number(std::size_t least, std::size_t most) const {
    const bool fits = value.is_number_integer() && value >= least && value <= most;
    if (!fits)
      fail(std::format("must be an integer from {} to {}", least, most));
    return value.get<std::size_t>();
  }
};

/// Names and markers stand in the chat template between quotes, so they are kept plain.
std::string plain_name(const Place& place) {
  std::string name = place.string();
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(" -_.:/").contains(c);
  });
  if (!plain || name.empty() || name.size() > kLongestName) {
    place.fail("must be 1-64 letters, digits, spaces or one of -_.:/");
  }
  return name;
}

/// JSON as chat templates print it (`tojson`): one line, a blank behind each comma and colon.
std::string rendered_json(const Json& value) {
  std::string text;
  if (value.is_object()) {
    for (const auto& [key, element] : value.items()) {
      text += (text.empty() ? "" : ", ") + Json(key).dump() + ": " + rendered_json(element);
    }
    return "{" + text + "}";
  }
  if (value.is_array()) {
    for (const Json& element : value)
      text += (text.empty() ? "" : ", ") + rendered_json(element);
    return "[" + text + "]";
  }
  return value.dump();
}

ScriptCondition read_condition(const Place& place) {
  place.object({"tool_results", "tool", "marker"});
  ScriptCondition condition;
  if (const auto results = place.find("tool_results"))
    condition.tool_results = results->number(0, 1000);
  if (const auto marker = place.find("marker"))
    condition.marker = plain_name(*marker);
  if (const auto tool = place.find("tool")) {
    if (tool->value.is_array()) {
      for (const Place& name : tool->elements())
        condition.tools.push_back(plain_name(name));
    } else {
      condition.tools.push_back(plain_name(*tool));
    }
  }
  return condition;
}

ScriptCall read_call(const Place& place) {
  place.object({"name", "arguments"});
  const Place arguments = place.at("arguments");
  if (!arguments.value.is_object())
    arguments.fail("must be an object");
  return {plain_name(place.at("name")), rendered_json(arguments.value)};
}

std::string repeated(const Place& place, const std::string& text, std::size_t times) {
  constexpr std::string_view kNumber = "{n}";
  const std::size_t at = text.find(kNumber);
  if (at == std::string::npos)
    place.fail("needs {n} in \"say\", so that no two repetitions are equal");
  std::string all;
  for (std::size_t n = 1; n <= times; ++n) {
    all += text.substr(0, at) + std::to_string(n) + text.substr(at + kNumber.size());
  }
  return all;
}

Script read_one(const Place& place) {
  place.object({"when", "think", "say", "repeat", "calls", "say_after"});
  Script script;
  if (const auto when = place.find("when"))
    script.when = read_condition(*when);
  if (const auto think = place.find("think"))
    script.think = think->string();
  if (const auto say = place.find("say"))
    script.say = say->string();
  if (const auto repeat = place.find("repeat")) {
    script.say = repeated(*repeat, script.say, repeat->number(1, kMostRepetitions));
  }
  if (const auto calls = place.find("calls")) {
    for (const Place& call : calls->elements())
      script.calls.push_back(read_call(call));
  }
  if (const auto after = place.find("say_after"))
    script.say_after = after->string();
  if (script.think.empty() && script.say.empty() && script.calls.empty() &&
      script.say_after.empty()) {
    place.fail("says nothing: give \"say\", \"think\", \"calls\" or \"say_after\"");
  }
  return script;
}

bool always_applies(const Script& script) {
  return !script.when.tool_results && !script.when.marker && script.when.tools.empty();
}

ScriptFile read_file(const Place& top) {
  const std::vector<Place> places = top.object({"scripts"}).at("scripts").elements();
  if (places.empty() || places.size() > kMostScripts) {
    top.at("scripts").fail(std::format("must hold 1 to {} scripts", kMostScripts));
  }
  ScriptFile file;
  for (const Place& place : places) {
    if (!file.scripts.empty() && always_applies(file.scripts.back())) {
      place.fail("is never reached: the script before it has no conditions");
    }
    file.scripts.push_back(read_one(place));
  }
  if (!always_applies(file.scripts.back())) {
    file.scripts.push_back(default_script().scripts.front());
  }
  return file;
}

} // namespace

std::expected<ScriptFile, std::string> parse_script(std::string_view json) {
  try {
    const Json value = Json::parse(json);
    return read_file({value, ""});
  } catch (const Json::parse_error& error) {
    return std::unexpected(std::format("not valid JSON at byte {}", error.byte));
  } catch (const ScriptError& error) {
    return std::unexpected(error.where + " " + error.what);
  }
}

std::expected<ScriptFile, std::string> read_script(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) {
    return std::unexpected(std::format("{}: cannot read the script file", path.string()));
  }
  return parse_script(text).transform_error(
      [&](const std::string& error) { return std::format("{}: {}", path.string(), error); });
}

ScriptFile default_script() {
  Script script;
  script.say = kHonestSentence;
  return {{script}};
}

} // namespace anyclaude::demo
