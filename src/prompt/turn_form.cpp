#include "prompt/turn_form.h"

#include "anthropic/overloaded.h"

#include <string_view>
#include <utility>
#include <variant>

namespace anyclaude::prompt {

namespace {

using Sorted = nlohmann::json; // keys in the alphabet's order

std::string_view without_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

/// "5000" and 5000 are one; so are "true" and true.
Sorted scalar(const std::string& text) {
  const auto parsed = Sorted::parse(text, nullptr, false);
  return parsed.is_number() || parsed.is_boolean() ? Sorted(parsed.dump()) : Sorted(text);
}

Sorted sorted(const Json& value) {
  if (value.is_string())
    return scalar(value.get_ref<const std::string&>());
  if (value.is_number() || value.is_boolean())
    return value.dump();
  if (value.is_object()) {
    Sorted result = Sorted::object();
    for (const auto& [key, item] : value.items())
      result[key] = sorted(item);
    return result;
  }
  if (value.is_array()) {
    Sorted result = Sorted::array();
    for (const auto& item : value)
      result.push_back(sorted(item));
    return result;
  }
  return nullptr;
}

std::string without_blanks_at_line_ends(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    result += line.substr(0, line.find_last_not_of(" \t\r") + 1);
    if (end == std::string_view::npos)
      break;
    result += '\n';
    text.remove_prefix(end + 1);
  }
  return result;
}

std::string without_change_of_directory(const std::string& command) {
  constexpr std::string_view kAnd = " && ";
  const auto end = command.find(kAnd);
  if (!command.starts_with("cd ") || end == std::string::npos)
    return command;
  const bool is_plain = command.substr(3, end - 3).find_first_of(";|&\n") == std::string::npos;
  return is_plain ? command.substr(end + kAnd.size()) : command;
}

Sorted input_form(const std::string& tool, const Json& input) {
  Json plain = input;
  const auto text = [&plain](const char* key) -> std::string* {
    const auto found = plain.find(key);
    return found != plain.end() && found->is_string() ? found->get_ptr<std::string*>() : nullptr;
  };
  if (tool == "Edit") {
    if (std::string* replacement = text("new_string"))
      *replacement = without_blanks_at_line_ends(*replacement);
    if (const auto all = plain.find("replace_all");
        all != plain.end() && (*all == false || *all == "false"))
      plain.erase(all);
  } else if (tool == "Bash") {
    if (std::string* command = text("command"))
      *command = without_change_of_directory(*command);
  }
  return sorted(plain);
}

} // namespace

std::string turn_form(std::span<const anthropic::ContentBlock> blocks) {
  Sorted form = Sorted::array();
  std::string text;
  const auto end_text = [&] {
    const auto said = without_end(text);
    if (const auto begin = said.find_first_not_of(" \t\r\n"); begin != std::string_view::npos)
      form.push_back({"text", std::string(said.substr(begin))});
    text.clear();
  };
  for (const auto& block : blocks)
    std::visit(anthropic::Overloaded{
                   [&](const anthropic::TextBlock& b) { text += b.text; },
                   [&](const anthropic::ThinkingBlock& b) {
                     end_text();
                     form.push_back(
                         {"thinking", std::string(without_end(b.thinking)), b.signature});
                   },
                   [&](const anthropic::ToolUseBlock& b) {
                     end_text();
                     form.push_back({"call", b.id, b.name, input_form(b.name, b.input)});
                   },
                   [&](const anthropic::UnsupportedBlock& b) {
                     end_text();
                     form.push_back({"other", b.type, b.description});
                   },
                   [&](const auto&) { end_text(); },
               },
               block);
  end_text();
  return form.dump(-1, ' ', false, Sorted::error_handler_t::replace);
}

} // namespace anyclaude::prompt
