#pragma once

#include "kv/prefix_outline.h"

#include <string>

namespace anyclaude::dashboard {

/// The prefixes as a picture, an icicle that grows to the right: a stretch is as long as it has
/// tokens, as high as there are prefixes that go through it, and coloured by where it is kept. With
/// arrow keys one moves through it (script.js); below it stands the same as a nested list, for who
/// does not see it.
std::string icicle(const kv::PrefixOutline& outline);

/// A conversation's name where there is little room: the first characters of the client's id, and
/// of a subagent's behind it, "3f2a91c0/ab12cd34". Clients choose them: any text.
std::string short_conversation(const std::string& conversation);

} // namespace anyclaude::dashboard
