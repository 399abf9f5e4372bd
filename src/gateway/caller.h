#pragma once

#include "anthropic/messages.h"
#include "backend/backend.h"
#include "gateway/http_server.h"
#include "gateway/route.h"

namespace anyclaude::gateway {

/// What a backend is told of who asks, beside the tenant that `caller` has. Claude Code says in
/// headers what a request is for; of any other client's nothing is known but the conversation.
/// Source of the headers: requests of Claude Code 2.1.330.
backend::Caller describe_caller(backend::Caller caller, const HttpRequest& http, const Route& route,
                                const anthropic::Request& request);

} // namespace anyclaude::gateway
