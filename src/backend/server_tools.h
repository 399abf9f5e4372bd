#pragma once

#include "anthropic/events.h"
#include "anthropic/messages.h"
#include "backend/backend.h"

#include <optional>
#include <vector>

/// Tools that Anthropic's servers carry out themselves, such as web_search_20250305. There is
/// nobody here to do that.
namespace anyclaude::backend {

/// Whether the request brings such a tool.
bool offers_server_tool(const anthropic::Request& request);

/// The whole answer to a request that is made for a call of such a tool: the call, the result that
/// the tool is unavailable, a sentence that says so. Nothing for every other request. It is made
/// for one where tool_choice demands it, or where a session of Claude Code brings no other tools:
/// so asks its WebSearch, which shows the error. Source of the blocks:
/// https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool (Errors)
std::optional<std::vector<anthropic::Event>>
unavailable_server_tool(const anthropic::Request& request, const Caller& caller);

/// The request with a note, behind its first message, that tells the model which offered tools it
/// does not have, so that it does not make results up. The place stays the same while the
/// conversation grows. Nothing where all are there: requests are large, and mostly need no copy.
std::optional<anthropic::Request> noting_missing_server_tools(const anthropic::Request& request);

} // namespace anyclaude::backend
