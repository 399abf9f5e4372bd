#include "prompt/stable_front.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>

namespace anyclaude::prompt {

namespace {

constexpr std::string_view kSystem = "the text of the system";
constexpr std::string_view kQuestion = "the first question of all";

TemplateInput probe(std::size_t systems, bool has_tools) {
  TemplateInput input;
  input.messages = Json::array();
  for (std::size_t i = 0; i < systems; ++i)
    input.messages.push_back({{"role", "system"}, {"content", std::string(kSystem)}});
  input.messages.push_back({{"role", "user"}, {"content", std::string(kQuestion)}});
  input.tools = Json::array();
  if (has_tools)
    input.tools.push_back(
        {{"type", "function"},
         {"function",
          {{"name", "look"},
           {"description", "looks"},
           {"parameters", {{"type", "object"}, {"properties", Json::object()}}}}}});
  return input;
}

/// How many boundaries there are up to the question, if its turn begins behind the system text.
std::size_t boundaries_before_question(std::string_view rendered, const ControlText& control,
                                       std::span<const std::string> turn_starts) {
  const std::size_t question = rendered.find(kQuestion);
  const std::size_t system = rendered.rfind(kSystem, question);
  if (question == std::string_view::npos || system == std::string_view::npos)
    return 0;
  std::size_t count = 0;
  std::size_t last = 0; // where the last turn in front of the question begins
  for (std::size_t i = 0; i < question;) {
    const std::size_t length = control.match(rendered.substr(i));
    if (length > 0 && i > 0 && std::ranges::contains(turn_starts, rendered.substr(i, length))) {
      ++count;
      last = i;
    }
    i += std::max<std::size_t>(length, 1);
  }
  return last > system ? count : 0;
}

} // namespace

StableFront::StableFront(const ChatTemplate& chat_template, const ControlText& control,
                         std::span<const std::string> turn_starts) {
  for (std::size_t systems = 1; systems <= kMostSystems; ++systems)
    for (const bool has_tools : {false, true})
      if (const auto rendered = chat_template.render(probe(systems, has_tools)))
        boundary_[systems - 1][has_tools ? 1 : 0] =
            boundaries_before_question(*rendered, control, turn_starts);
}

int StableFront::end(const TemplateInput& input, std::span<const int> boundaries) const {
  std::size_t systems = 0;
  for (const Json& message : input.messages) {
    if (message.value("role", "") != "system")
      break;
    ++systems;
  }
  if (systems == 0 || systems > kMostSystems)
    return 0;
  const std::size_t which = boundary_[systems - 1][input.tools.empty() ? 0 : 1];
  return which == 0 || which > boundaries.size() ? 0 : boundaries[which - 1];
}

} // namespace anyclaude::prompt
