#include "anthropic/json_text.h"
#include "text/utf8.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

namespace anyclaude::anthropic {
namespace {

rc::Gen<std::string> texts() {
  const auto piece = rc::gen::element<std::string>(
      "plain words ", "\"", "\\", "\n", "\r\t\b\f", std::string(1, '\0'), "\x1f", "\x7f", "é",
      "漢字", "😀", "\xff", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "</script>");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const auto& pieces) {
    std::string text;
    for (const std::string& each : pieces)
      text += each;
    return text;
  });
}

// NOLINTNEXTLINE(misc-no-recursion)
rc::Gen<Json> values(int depth) {
  const auto scalar = rc::gen::oneOf(
      rc::gen::map(texts(), [](const std::string& text) { return Json(text); }),
      rc::gen::map(rc::gen::arbitrary<std::int64_t>(), [](auto number) { return Json(number); }),
      rc::gen::map(rc::gen::arbitrary<double>(), [](auto number) { return Json(number); }),
      rc::gen::element<Json>(nullptr, true, false, Json::array(), Json::object()));
  if (depth == 0)
    return scalar;
  const auto array = rc::gen::map(rc::gen::container<std::vector<Json>>(values(depth - 1)),
                                  [](const std::vector<Json>& items) { return Json(items); });
  const auto object = rc::gen::map(rc::gen::container<std::vector<std::pair<std::string, Json>>>(
                                       rc::gen::pair(texts(), values(depth - 1))),
                                   [](const auto& members) {
                                     Json made = Json::object();
                                     for (const auto& [key, value] : members)
                                       made[key] = value;
                                     return made;
                                   });
  return rc::gen::oneOf(scalar, array, object);
}

/// The same with all strings made valid first.
// NOLINTNEXTLINE(misc-no-recursion)
Json made_valid(const Json& json) {
  if (json.is_string())
    return text::to_valid_utf8(json.get_ref<const std::string&>());
  Json made = json;
  if (json.is_array())
    for (Json& item : made)
      item = made_valid(item);
  if (json.is_object()) {
    Json::object_t members;
    for (const auto& [key, value] : json.items())
      members.push_back({text::to_valid_utf8(key), made_valid(value)});
    made = Json(std::move(members));
  }
  return made;
}

RC_GTEST_PROP(JsonTextProperty, IsWhatTheLibraryPrints, ()) {
  const Json json = *values(2);
  RC_ASSERT(json_text(json) == made_valid(json).dump());
}

} // namespace
} // namespace anyclaude::anthropic
