#pragma once

#include <expected>
#include <filesystem>
#include <string>

/// Charts for places that take no SVG. What draws letters well brings 20 MB of libraries along:
/// librsvg's own program does it, where it is installed.
namespace anyclaude::bench {

/// The error says what to install.
std::expected<std::filesystem::path, std::string> find_png_program();

/// The picture as PNG, at twice its size so that it stays sharp on a dense screen. `folder` is for
/// a file that `program` reads. To be called in a process with one thread.
std::expected<std::string, std::string> png_of(const std::string& svg,
                                               const std::filesystem::path& program,
                                               const std::filesystem::path& folder);

} // namespace anyclaude::bench
