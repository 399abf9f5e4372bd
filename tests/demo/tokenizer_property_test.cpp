#include "demo/bpe.h"
#include "demo/byte_level.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace anyclaude::demo {
namespace {

/// Few different letters, so that pairs repeat.
rc::Gen<std::string> repetitive_text() {
  return rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', ' ', '\n', '"', '7'));
}

WordCounts counts_of(const std::vector<std::string>& texts) {
  WordCounts counts;
  for (const std::string& text : texts)
    for (const std::string_view word : split_words(text))
      ++counts[std::string(word)];
  return counts;
}

RC_GTEST_PROP(SplitWordsProperty, LosesNothing, (const std::string& text)) {
  std::string joined;
  for (const std::string_view word : split_words(text)) {
    RC_ASSERT(!word.empty());
    joined += word;
  }
  RC_ASSERT(joined == text);
}

RC_GTEST_PROP(BpeProperty, TokensSpellTheText, ()) {
  const Bpe bpe =
      Bpe::train(counts_of(*rc::gen::container<std::vector<std::string>>(repetitive_text())), 300);
  const std::string text = *rc::gen::oneOf(repetitive_text(), rc::gen::arbitrary<std::string>());
  std::string spelled;
  for (const Bpe::Id id : bpe.encode(text))
    spelled += bpe.token(id);
  RC_ASSERT(spelled == text);
}

RC_GTEST_PROP(BpeProperty, TokensAreUniqueAndMadeOfEarlierOnes, ()) {
  const auto texts = *rc::gen::container<std::vector<std::string>>(repetitive_text());
  const Bpe bpe = Bpe::train(counts_of(texts), 400);
  std::set<std::string> seen;
  for (Bpe::Id id = 0; id < 256; ++id)
    seen.insert(bpe.token(id));
  for (const auto& [left, right] : bpe.merges()) {
    RC_ASSERT(seen.contains(bpe.token(left)) && seen.contains(bpe.token(right)));
    seen.insert(bpe.token(left) + bpe.token(right));
  }
  RC_ASSERT(seen.size() == bpe.size());
}

/// The pair that a plain count over all words finds, ties to the smaller ids; {0, 0} for none.
std::pair<Bpe::Pair, std::uint64_t>
plain_best(const std::vector<std::pair<std::vector<Bpe::Id>, std::uint64_t>>& words) {
  std::map<Bpe::Pair, std::uint64_t> pairs;
  for (const auto& [ids, count] : words)
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      pairs[{ids[i], ids[i + 1]}] += count;
  std::pair<Bpe::Pair, std::uint64_t> best{{0, 0}, 0};
  for (const auto& [pair, count] : pairs)
    if (count > best.second)
      best = {pair, count};
  return best;
}

RC_GTEST_PROP(BpeProperty, TrainsAsCountingAfreshWould, ()) {
  const WordCounts counts =
      counts_of(*rc::gen::container<std::vector<std::string>>(repetitive_text()));
  const Bpe bpe = Bpe::train(counts, 290);
  std::vector<std::pair<std::vector<Bpe::Id>, std::uint64_t>> words;
  for (const auto& [text, count] : counts) {
    words.push_back({{}, count});
    for (const char c : text)
      words.back().first.push_back(static_cast<unsigned char>(c));
  }
  std::map<std::string, Bpe::Id> ids;
  for (Bpe::Id id = 0; id < bpe.size(); ++id)
    ids[bpe.token(id)] = id;
  for (const Bpe::Pair& merge : bpe.merges()) {
    RC_ASSERT(plain_best(words).first == merge);
    const Bpe::Id merged = ids.at(bpe.token(merge.first) + bpe.token(merge.second));
    for (auto& [word, count] : words)
      for (std::size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == merge.first && word[i + 1] == merge.second) {
          word[i] = merged;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  if (bpe.size() < 290)
    RC_ASSERT(plain_best(words).second < 2);
}

} // namespace
} // namespace anyclaude::demo
