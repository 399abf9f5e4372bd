#pragma once

#include "demo/demo_model.h"
#include "demo/demo_projector.h"

#include <filesystem>

namespace anyclaude::commands {

/// Writes a demo model and says what to do with it. Returns the exit status.
int make_demo_model(demo::ModelOptions options, const std::filesystem::path& out);

/// Writes a demo model's projector. Returns the exit status.
int make_demo_projector(const demo::ProjectorOptions& options, const std::filesystem::path& out);

/// Prints what a GGUF file says of its model. Returns the exit status.
int print_model_info(const std::filesystem::path& file);

} // namespace anyclaude::commands
