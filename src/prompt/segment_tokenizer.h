#pragma once

#include "prompt/control_text.h"
#include "prompt/prompt_images.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace anyclaude::prompt {

/// What the prompt needs of a model's tokenizer.
struct Tokenizer {
  /// Tokens of a text; with `parse_special` the texts of control tokens become those tokens.
  /// Must be thread-safe.
  std::function<std::vector<std::int32_t>(std::string_view text, bool parse_special)> tokenize;
  std::int32_t prompt_start = -1; // begins every prompt; -1: none
  std::vector<std::string> control_texts;
  std::vector<std::string> turn_ends; // those of them that end an answer
};

/// Tokenizes rendered prompts and remembers what it has tokenized, since a conversation sends the
/// same 50 KB with every request (11 ms each time). Control tokens cut a text into fragments that
/// are tokenized by themselves, so that segments that begin with one can be remembered one by one.
/// Thread-safe.
class SegmentTokenizer {
 public:
  static constexpr std::size_t kBytes = 32U << 20; // that remembered texts and tokens take

  /// `most` is about how many tokens are made of one text; more are estimated (see Turns::beyond).
  explicit SegmentTokenizer(Tokenizer tokenizer, std::size_t capacity = kBytes,
                            std::size_t most = std::numeric_limits<std::size_t>::max());

  /// The prompt's tokens: its first one in front if the model wants one, and no control token where
  /// a mark (see ControlText) stands in its text.
  std::vector<std::int32_t> tokenize(std::string_view rendered);

  struct Turns {
    std::vector<std::int32_t> tokens;
    std::vector<int> boundaries; // tokens in front of each turn but the first, ascending
    /// Of a text that is far too long, about how many tokens were not made. Nobody can use those
    /// that were: it is for the refusal, which should not cost seconds.
    std::size_t beyond = 0;
  };
  /// The same, and where turns begin: at these texts of control tokens. Images stand where their
  /// names are.
  Turns tokenize(std::string_view rendered, std::span<const std::string> turn_starts,
                 const NamedImages& images = {});
  /// The same for text behind a prompt of `before` tokens; boundaries count from its start.
  Turns tokenize_behind(std::size_t before, std::string_view rendered,
                        std::span<const std::string> turn_starts, const NamedImages& images = {});

  /// Host memory that what is remembered takes.
  std::size_t bytes() const;

 private:
  struct Segment {
    std::string text;
    std::vector<std::int32_t> tokens;
    std::size_t bytes() const;
  };
  using Segments = std::list<Segment>;

  void append_text(Turns& turns, std::size_t before, std::string_view rendered,
                   std::span<const std::string> turn_starts);
  bool append(std::vector<std::int32_t>& tokens, std::string_view segment);
  bool fits(std::string_view segment, std::size_t room) const;
  bool cuts(const std::string& control);
  bool recall(std::vector<std::int32_t>& tokens, std::string_view segment);
  void remember(std::string_view segment, std::vector<std::int32_t> tokens);

  Tokenizer tokenizer_;
  ControlText control_;
  std::size_t capacity_;
  std::size_t most_; // tokens

  // Behind a pointer, so that its owner can be moved.
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
  Segments segments_; // the one used last in front
  std::unordered_map<std::string_view, Segments::iterator> by_text_;
  std::unordered_map<std::string, bool> cuts_; // control texts that were looked at
  std::size_t bytes_ = 0;
};

} // namespace anyclaude::prompt
