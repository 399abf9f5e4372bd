#pragma once

#include "launch/control_protocol.h"

#include <string>

namespace anyclaude::launch {

/// What a session cost and saved, in a line for standard error, newline included; empty when it
/// made no request.
std::string session_summary(const SessionNumbers& numbers);

} // namespace anyclaude::launch
