#pragma once

#include "demo/script.h"

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::demo {

/// A vocabulary token that is a piece of a script, and the piece that comes behind it.
struct ScriptPiece {
  std::string text;
  std::optional<std::size_t> next; ///< Index of the next piece; none: the answer ends.
};

/// Where a script begins. `answer` leaves the thinking out, for requests that switch it off.
struct ScriptEntry {
  std::optional<std::size_t> whole;
  std::optional<std::size_t> answer; ///< None: nothing is left without the thinking.
};

/// All scripts as chains of pieces. Pieces are valid UTF-8, unique, and of a few words; scripts
/// that end alike share their last pieces.
struct ScriptChains {
  std::vector<ScriptPiece> pieces;
  std::vector<ScriptEntry> entries; ///< One for each script.
  /// A tokenizer that looks for pieces in the text of a script, the longest first as libllama does,
  /// finds exactly its chain. False where a script is so repetitive that a piece is found
  /// elsewhere.
  bool found_again = true;
};

/// The text of a script, split where the thinking ends. It is what the chat template would print
/// for such an assistant turn, so that the next prompt goes on exactly where the answer stopped.
struct ScriptText {
  std::string thinking;
  std::string answer;
};
ScriptText script_text(const Script& script);

/// Cuts scripts into pieces. `taken` says whether the vocabulary has a text already. Fails when
/// there are too many pieces, or when a text cannot be cut into unique ones.
std::expected<ScriptChains, std::string>
make_script_chains(const ScriptFile& file, const std::function<bool(const std::string&)>& taken);

/// The most pieces that all scripts of a model may have together; each costs tokenizing time.
inline constexpr std::size_t kMostScriptPieces = 6000;

} // namespace anyclaude::demo
