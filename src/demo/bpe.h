#pragma once

#include "demo/corpus.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace anyclaude::demo {

/// A byte-pair encoding. Ids 0-255 are the bytes; each further token is what a merge makes. Two
/// merges may make the same text (ab+c, a+bc), which is one token, so there can be more merges than
/// tokens.
class Bpe {
 public:
  using Id = std::uint32_t;
  using Pair = std::pair<Id, Id>;

  /// Joins the most frequent neighbours until there are `vocabulary` tokens or no pair occurs
  /// twice. Ties go to the pair with the smaller ids, so the same counts give the same merges
  /// everywhere.
  static Bpe train(const WordCounts& counts, std::size_t vocabulary);

  std::size_t size() const { return tokens_.size(); }
  /// The bytes of a token.
  const std::string& token(Id id) const { return tokens_[id]; }
  const std::vector<Pair>& merges() const { return merges_; }

  /// The ids of text, split into words first. Meant for tests and tuning: libllama does it for
  /// real.
  std::vector<Id> encode(std::string_view text) const;

 private:
  Bpe();
  Id add_merge(Pair pair);
  void encode_word(std::string_view word, std::vector<Id>& ids) const;

  struct Merge {
    std::size_t rank;
    Id result;
  };

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, Id> ids_;
  std::vector<Pair> merges_;
  std::unordered_map<std::uint64_t, Merge> merge_of_; ///< By the packed pair.
};

} // namespace anyclaude::demo
