#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace anyclaude::demo {

/// The text that the demo models' tokenizer is trained on. All of it is written for this purpose.
/// The word lists are ordered by how often a word is to be expected; single spaces separate them.
struct WordLists {
  std::string_view function_words; ///< Taken as they are, the most frequent words of English.
  std::string_view plain;          ///< Taken as they are: adjectives, adverbs, irregular forms.
  std::string_view verbs;          ///< Regular verbs; the trainer adds -s, -ed, -ing.
  std::string_view nouns;          ///< The trainer adds the plural.
  std::string_view identifiers;    ///< Names from code, formats and command lines, as they are.
};
const WordLists& word_lists();

/// Prose, tool descriptions, JSON schemas, markdown and code, as a coding agent's prompt has them.
std::string_view training_text();

/// Pre-tokens ("words" of the tokenizer, a leading space included) and how often each is counted.
using WordCounts = std::map<std::string, std::uint64_t>;

/// The counts that the merges are trained on: the words with their inflections and spellings
/// (leading space, capital), weighted by rank, plus the training text.
WordCounts training_counts();

} // namespace anyclaude::demo
