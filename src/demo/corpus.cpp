#include "demo/corpus.h"

#include "demo/byte_level.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace anyclaude::demo {

namespace {

/// How often a word of rank r is counted, before spellings: scale / (r + offset), Zipf's law.
struct Frequency {
  std::uint64_t scale;
  std::uint64_t offset;
  std::uint64_t at(std::size_t rank) const { return scale / (rank + offset); }
};

constexpr Frequency kFunctionFrequency{60'000'000, 20};
constexpr Frequency kPlainFrequency{4'000'000, 60};
constexpr Frequency kVerbFrequency{3'000'000, 60};
constexpr Frequency kNounFrequency{4'000'000, 60};
constexpr Frequency kIdentifierFrequency{2'000'000, 80};
/// One occurrence in the training text counts as this many.
constexpr std::uint64_t kTextWeight = 2'000;

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words;
  for (std::size_t start = 0; start < list.size();) {
    const std::size_t end = std::min(list.find(' ', start), list.size());
    if (end > start)
      words.emplace_back(list.substr(start, end - start));
    start = end + 1;
  }
  return words;
}

bool is_vowel(char c) {
  return std::string_view("aeiou").contains(c);
}

bool ends_with_any(std::string_view word, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings,
                             [&](std::string_view ending) { return word.ends_with(ending); });
}

bool ends_consonant_y(std::string_view word) {
  return word.size() > 2 && word.back() == 'y' && !is_vowel(word[word.size() - 2]);
}

/// Short words that end in consonant, vowel, consonant double their last letter: plan, planned.
bool doubles_last(std::string_view word) {
  if (word.size() < 3 || word.size() > 4)
    return false;
  const char last = word.back();
  const std::size_t vowels = std::ranges::count_if(word, is_vowel);
  return vowels == 1 && is_vowel(word[word.size() - 2]) && !std::string_view("wxy").contains(last);
}

std::string with_s(const std::string& word) {
  if (ends_consonant_y(word))
    return word.substr(0, word.size() - 1) + "ies";
  return word + (ends_with_any(word, {"s", "x", "z", "ch", "sh"}) ? "es" : "s");
}

std::string with_ed(const std::string& word) {
  if (word.ends_with('e'))
    return word + "d";
  if (ends_consonant_y(word))
    return word.substr(0, word.size() - 1) + "ied";
  return (doubles_last(word) ? word + word.back() : word) + "ed";
}

std::string with_ing(const std::string& word) {
  const bool silent_e = word.ends_with('e') && !ends_with_any(word, {"ee", "ye", "oe"});
  if (silent_e)
    return word.substr(0, word.size() - 1) + "ing";
  return (doubles_last(word) ? word + word.back() : word) + "ing";
}

std::string capitalized(std::string word) {
  if (word[0] >= 'a' && word[0] <= 'z')
    word[0] = static_cast<char>(word[0] - 'a' + 'A');
  return word;
}

void count_text(WordCounts& counts, std::string_view text, std::uint64_t count) {
  for (const std::string_view word : split_words(text))
    counts[std::string(word)] += count;
}

/// A word as prose and code spell it: behind a space, at a start, capital, quoted, joined.
void count_spellings(WordCounts& counts, const std::string& word, std::uint64_t count) {
  count_text(counts, " " + word, count);
  count_text(counts, word, count / 3);
  count_text(counts, " " + capitalized(word), count / 6);
  count_text(counts, capitalized(word), count / 5);
  for (const char lead : {'_', '.', '-', '/', '(', '"'})
    count_text(counts, lead + word, count / 40);
}

void count_words(WordCounts& counts, std::string_view list, Frequency frequency) {
  std::size_t rank = 0;
  for (const std::string& word : words_of(list))
    count_spellings(counts, word, frequency.at(rank++));
}

void count_verbs(WordCounts& counts, std::string_view list) {
  std::size_t rank = 0;
  for (const std::string& verb : words_of(list)) {
    const std::uint64_t count = kVerbFrequency.at(rank++);
    count_spellings(counts, verb, count);
    count_spellings(counts, with_s(verb), count / 3);
    count_spellings(counts, with_ed(verb), count / 2);
    count_spellings(counts, with_ing(verb), count / 2);
  }
}

void count_nouns(WordCounts& counts, std::string_view list) {
  std::size_t rank = 0;
  for (const std::string& noun : words_of(list)) {
    const std::uint64_t count = kNounFrequency.at(rank++);
    count_spellings(counts, noun, count);
    count_spellings(counts, with_s(noun), count / 2);
  }
}

/// Line ends with indentation, in steps of one blank up to 12 and then of two.
void count_indentation(WordCounts& counts) {
  for (std::size_t width = 1; width <= 40; width += width < 12 ? 1 : 2) {
    counts[std::string(width, ' ')] += 4'000'000 / (width + 4);
  }
  for (std::size_t tabs = 1; tabs <= 6; ++tabs)
    counts[std::string(tabs, '\t')] += 400'000 / tabs;
}

} // namespace

WordCounts training_counts() {
  WordCounts counts;
  const WordLists& lists = word_lists();
  count_words(counts, lists.function_words, kFunctionFrequency);
  count_words(counts, lists.plain, kPlainFrequency);
  count_verbs(counts, lists.verbs);
  count_nouns(counts, lists.nouns);
  count_words(counts, lists.identifiers, kIdentifierFrequency);
  count_indentation(counts);
  count_text(counts, training_text(), kTextWeight);
  return counts;
}

} // namespace anyclaude::demo
