#pragma once

#include "kv/stored_model.h"

#include <cstddef>
#include <string>

namespace anyclaude::commands {

/// A picture of a model's prefixes for the terminal, one line for each stretch of tokens that the
/// same prefixes go through: how many tokens, their share of the bytes, who shares them. The
/// largest ones of the rest are shown, up to `lines`.
///
///     11,520 tokens  ██████████████▍      72%  shared by 4 prefixes, 212 uses, tools and system
///     text ├─ 2,304 tokens  ██▉                14%  12 uses, last 2026-03-01 10:12 └─ …
std::string picture_of(const kv::ModelBlocks& model, std::size_t lines = 24);

} // namespace anyclaude::commands
