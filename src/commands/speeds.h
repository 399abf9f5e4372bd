#pragma once

#include "launch/control_protocol.h"

#include <filesystem>
#include <optional>
#include <string>

namespace anyclaude::commands {

/// What was last measured of a mode on this machine.
struct Speed {
  double prefill_tokens_per_s = 0; // of computed tokens
  double warm_first_token_s = 0;   // of a question most of whose prompt was reused
};

/// Nothing where nothing was measured. `folder` is the state folder.
std::optional<Speed> read_speed(const std::filesystem::path& folder, const std::string& mode);

/// Takes over the members that are not 0. A file that cannot be written costs nothing.
void write_speed(const std::filesystem::path& folder, const std::string& mode, const Speed& speed);

/// What a session's requests show; 0 where they show nothing.
Speed speed_of(const launch::SessionNumbers& session);

/// "1,240 tokens/s, follow-up 0.3 s"; empty for nothing.
std::string shown(const std::optional<Speed>& speed);

} // namespace anyclaude::commands
