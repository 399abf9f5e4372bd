#pragma once

#include "gateway/http_server.h"
#include "telemetry/trace.h"

#include <memory>
#include <string>

namespace anyclaude::gateway {

/// Puts the request into the trace, and the answer too once it is complete or given up: the
/// responder that is returned passes everything on to the one given.
std::shared_ptr<Responder> traced(std::shared_ptr<telemetry::Trace> trace,
                                  const HttpRequest& request, const std::string& request_id,
                                  std::shared_ptr<Responder> responder);

} // namespace anyclaude::gateway
