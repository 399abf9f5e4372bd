#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <optional>

namespace anyclaude::launch {

/// Nothing when the path is too long for a Unix socket.
std::optional<sockaddr_un> unix_address(const std::filesystem::path& path);

const sockaddr* as_sockaddr(const sockaddr_un& address);

/// Whether the process at the other end belongs to this user (SO_PEERCRED, getpeereid).
bool is_same_user(int socket);

} // namespace anyclaude::launch
