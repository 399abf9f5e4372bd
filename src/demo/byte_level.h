#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::demo {

/// A byte-level BPE vocabulary ("gpt2" in GGUF) spells each byte as one printable character:
/// printable Latin-1 bytes stand for themselves, the other 68 are moved to U+0100 and up, so a
/// space is U+0120.

/// The character of one byte, as UTF-8.
std::string byte_character(std::uint8_t byte);

/// Text as a vocabulary spells it.
std::string to_byte_level(std::string_view text);

/// Splits text into the words that merges never cross, as libllama's "qwen2" pre-tokenizer does:
/// contractions; letters with one leading character that is neither letter, digit nor line end;
/// single digits; punctuation runs with one leading space and trailing line ends; line ends with
/// the blanks before them; blanks. Exact for ASCII. Every character beyond ASCII counts as a
/// letter, so keep it out of training text.
std::vector<std::string_view> split_words(std::string_view text);

} // namespace anyclaude::demo
