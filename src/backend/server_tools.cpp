#include "backend/server_tools.h"

#include "answer/identifier.h"
#include "anthropic/json_text.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace anyclaude::backend {

namespace {

/// "web_search" of "web_search_20250305"; empty for tools that the client carries out.
std::string server_tool(const anthropic::Tool& tool) {
  for (const char* name : {"web_search", "web_fetch", "code_execution"})
    if (tool.server_type.starts_with(name))
      return name;
  return {};
}

/// What the call would have asked for: the person's last words.
std::string last_words(const anthropic::Request& request) {
  for (auto message = request.messages.rbegin(); message != request.messages.rend(); ++message)
    if (message->role == anthropic::Role::user)
      for (const auto& block : message->content)
        if (const auto* text = std::get_if<anthropic::TextBlock>(&block))
          return text->text;
  return {};
}

std::string input_json(const std::string& tool, const std::string& words) {
  const char* key = tool == "web_search" ? "query" : tool == "web_fetch" ? "url" : "code";
  return anthropic::json_text({{key, words}});
}

} // namespace

bool offers_server_tool(const anthropic::Request& request) {
  return std::ranges::any_of(
      request.tools, [](const anthropic::Tool& tool) { return !server_tool(tool).empty(); });
}

std::optional<std::vector<anthropic::Event>>
unavailable_server_tool(const anthropic::Request& request, const Caller& caller) {
  using Kind = anthropic::ToolChoice::Kind;
  const auto& choice = request.tool_choice;
  const auto is_server_tool = [](const anthropic::Tool& tool) {
    return !server_tool(tool).empty();
  };
  auto tool = request.tools.end();
  if (choice.kind == Kind::tool)
    tool = std::ranges::find(request.tools, choice.name, &anthropic::Tool::name);
  else if ((choice.kind == Kind::any ||
            (choice.kind == Kind::automatic && !caller.session.empty())) &&
           std::ranges::all_of(request.tools, is_server_tool))
    tool = request.tools.begin();
  if (tool == request.tools.end() || !is_server_tool(*tool))
    return std::nullopt;
  const std::string name = server_tool(*tool);
  return std::vector<anthropic::Event>{
      anthropic::Started{},
      anthropic::ServerToolUnavailable{answer::new_server_tool_use_id(), name,
                                       input_json(name, last_words(request))},
      anthropic::TextDelta{"The tool " + name +
                           " is not available on this server. It was not carried out, and there "
                           "are no results."},
      anthropic::Finished{}};
}

std::optional<anthropic::Request> noting_missing_server_tools(const anthropic::Request& request) {
  std::string names;
  for (const anthropic::Tool& tool : request.tools)
    if (const std::string name = server_tool(tool); !name.empty())
      names += (names.empty() ? "" : ", ") + name;
  if (names.empty() || request.messages.empty())
    return std::nullopt;
  anthropic::Message note;
  note.role = anthropic::Role::system;
  note.content.emplace_back(anthropic::TextBlock{
      "Not available here: " + names +
      ". If one of them is needed, say that it is not available; do not make results up."});
  anthropic::Request noted = request;
  noted.messages.insert(noted.messages.begin() + 1, std::move(note));
  return noted;
}

} // namespace anyclaude::backend
