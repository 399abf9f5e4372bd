#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::backend {

/// The indices of `ids`, the one that `key` prefers first: rendezvous (highest random weight)
/// hashing. Every key orders the ids in its own way, and an id's place depends on no other id:
/// where one of n goes, only the keys that preferred it move, each to its own second choice; where
/// one comes, about one key in n moves, to it. The order of `ids` does not matter, equal ids apart.
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
std::vector<std::size_t> rendezvous_order(std::string_view key,
                                          const std::vector<std::string>& ids);

} // namespace anyclaude::backend
