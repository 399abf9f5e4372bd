#pragma once

#include <filesystem>

namespace anyclaude {

/// Where the checkout is, for tests that read what is written there.
std::filesystem::path checkout();

} // namespace anyclaude
