#pragma once

#include "launch/paths.h"

#include <string>

namespace anyclaude::commands {

/// How to get a model and how to name it, in a few lines.
std::string advice_without_model(const launch::Paths& paths);

} // namespace anyclaude::commands
