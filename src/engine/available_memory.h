#pragma once

#include <cstdint>
#include <filesystem>

namespace anyclaude::engine {

/// Bytes of RAM that this process can have without swapping and without being killed: what the
/// system has free, and no more than the limits of its control groups (v1 and v2, up to the root)
/// and of its address space leave. `system` is where /proc and /sys are.
std::uint64_t available_memory(const std::filesystem::path& system = "/");

/// Bytes until the kernel ends the process for memory, or gives it no more. What can be written out
/// or read again counts as free: swap, and all pages of files, a model's weights among them.
std::uint64_t memory_before_the_end(const std::filesystem::path& system = "/");

} // namespace anyclaude::engine
