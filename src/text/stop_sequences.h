#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::text {

/// Finds the first of several stop sequences in a stream of text, also across the borders of its
/// pieces, and lets everything else through as early as possible.
/// The match that is complete first wins, as if the text came byte by byte; of several that end at
/// the same byte the longest wins. So the result does not depend on where the stream was cut.
/// Linear in the text for each sequence. Not thread-safe.
class StopSequences {
 public:
  struct Result {
    std::string emit; // text before any stop sequence, safe to show
    std::optional<std::string> matched;
  };

  /// Empty sequences are ignored. Without any sequence all text passes through.
  explicit StopSequences(std::vector<std::string> sequences);

  /// Once a sequence has matched, all later text is dropped and `matched` stays set.
  Result push(std::string_view text);

  /// Ends the stream: the tail that was held back because it might have become a stop sequence.
  std::string finish();

 private:
  struct Matcher {
    std::string sequence;
    std::vector<std::size_t> fallback; // Knuth-Morris-Pratt failure function
    std::size_t matched = 0;           // bytes of `sequence` that the text now ends with

    bool advance(char c); // true when the sequence is complete
  };

  std::vector<Matcher> matchers_;
  std::string held_; // the longest tail that begins a sequence
  std::optional<std::string> found_;
};

} // namespace anyclaude::text
