#include "demo/bpe.h"

#include "demo/byte_level.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <unordered_set>

namespace anyclaude::demo {

namespace {

using Id = Bpe::Id;
using Pair = Bpe::Pair;

std::uint64_t pack(Pair pair) {
  return (std::uint64_t{pair.first} << 32) | pair.second;
}

struct Word {
  std::vector<Id> ids;
  std::uint64_t count;
};

struct PairStatistics {
  std::uint64_t count = 0;
  std::vector<std::size_t> words; ///< Words that had the pair when it was counted; may repeat.
};

/// A pair with the count it had when it was queued; stale entries are queued again when popped.
struct Candidate {
  std::uint64_t count;
  std::uint64_t pair;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  explicit Trainer(const WordCounts& counts) {
    for (const auto& [text, count] : counts) {
      Word word{{}, count};
      for (const char c : text)
        word.ids.push_back(static_cast<unsigned char>(c));
      words_.push_back(std::move(word));
      count_word(words_.size() - 1, +1);
    }
    for (const auto& [pair, statistics] : pairs_)
      queue_.push({statistics.count, pair});
  }

  /// The most frequent pair; its count is 0 when there is none left.
  Candidate most_frequent() {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      const std::uint64_t now = pairs_[candidate.pair].count;
      if (now == candidate.count)
        return candidate;
      if (now > 0)
        queue_.push({now, candidate.pair});
    }
    return {0, 0};
  }

  void merge(std::uint64_t pair, Id merged) {
    std::vector<std::size_t> words = std::move(pairs_[pair].words);
    std::ranges::sort(words);
    const auto repeated = std::ranges::unique(words);
    words.erase(repeated.begin(), repeated.end());
    for (const std::size_t index : words) {
      count_word(index, -1);
      join(words_[index].ids, pair, merged);
      count_word(index, +1);
    }
    // Counts only grow for pairs that a joined word holds; entries that shrank correct themselves.
    for (const std::uint64_t changed : touched_)
      queue_.push({pairs_[changed].count, changed});
    touched_.clear();
  }

 private:
  void count_word(std::size_t index, int sign) {
    const Word& word = words_[index];
    for (std::size_t i = 0; i + 1 < word.ids.size(); ++i) {
      const std::uint64_t pair = pack({word.ids[i], word.ids[i + 1]});
      PairStatistics& statistics = pairs_[pair];
      if (sign < 0) {
        statistics.count -= word.count;
        continue;
      }
      statistics.count += word.count;
      statistics.words.push_back(index);
      touched_.insert(pair);
    }
  }

  static void join(std::vector<Id>& ids, std::uint64_t pair, Id merged) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool match = i + 1 < ids.size() && pack({ids[i], ids[i + 1]}) == pair;
      ids[kept++] = match ? merged : ids[i];
      if (match)
        ++i;
    }
    ids.resize(kept);
  }

  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, PairStatistics> pairs_;
  std::unordered_set<std::uint64_t> touched_;
  std::priority_queue<Candidate> queue_;
};

} // namespace

Bpe::Bpe() {
  for (unsigned byte = 0; byte < 256; ++byte) {
    tokens_.emplace_back(1, static_cast<char>(byte));
    ids_.emplace(tokens_.back(), byte);
  }
}

Bpe Bpe::train(const WordCounts& counts, std::size_t vocabulary) {
  Bpe bpe;
  Trainer trainer(counts);
  while (bpe.size() < vocabulary) {
    const Candidate best = trainer.most_frequent();
    if (best.count < 2)
      break;
    const Pair pair{static_cast<Id>(best.pair >> 32), static_cast<Id>(best.pair)};
    trainer.merge(best.pair, bpe.add_merge(pair));
  }
  return bpe;
}

Id Bpe::add_merge(Pair pair) {
  std::string text = tokens_[pair.first] + tokens_[pair.second];
  const auto [entry, is_new] = ids_.emplace(text, static_cast<Id>(tokens_.size()));
  if (is_new)
    tokens_.push_back(std::move(text));
  merge_of_.emplace(pack(pair), Merge{merges_.size(), entry->second});
  merges_.push_back(pair);
  return entry->second;
}

std::vector<Id> Bpe::encode(std::string_view text) const {
  std::vector<Id> ids;
  for (const std::string_view word : split_words(text))
    encode_word(word, ids);
  return ids;
}

void Bpe::encode_word(std::string_view word, std::vector<Id>& ids) const {
  std::vector<Id> parts;
  for (const char c : word)
    parts.push_back(static_cast<unsigned char>(c));
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  for (;;) {
    Merge best{kNone, 0};
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = merge_of_.find(pack({parts[i], parts[i + 1]}));
      if (found == merge_of_.end() || found->second.rank >= best.rank)
        continue;
      best = found->second;
      where = i;
    }
    if (best.rank == kNone)
      break;
    parts[where] = best.result;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
  ids.insert(ids.end(), parts.begin(), parts.end());
}

} // namespace anyclaude::demo
