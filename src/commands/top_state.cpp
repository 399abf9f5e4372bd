#include "commands/top_state.h"

#include "text/printable.h"
#include "text/quantity.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace anyclaude::commands {

std::int64_t number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

double real(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string time_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number()
             ? text::duration(std::llround(found->get<double>()))
             : "-";
}

std::string words(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string()
             ? text::printable_line(found->get<std::string>())
             : "";
}

Json array(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : Json::array();
}

} // namespace anyclaude::commands
