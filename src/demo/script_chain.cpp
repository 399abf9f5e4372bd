#include "demo/script_chain.h"

#include <format>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace anyclaude::demo {

namespace {

/// Shorter pieces would turn up in ordinary prompts, where they break words apart.
constexpr std::size_t kShortestPiece = 10;
/// Text without blanks (a path, Chinese, base64) is cut after about this many bytes.
constexpr std::size_t kLongestWord = 24;
/// Longer ends are not looked up for sharing: each piece would keep a copy of everything behind it.
constexpr std::size_t kLongestSharedEnd = 2048;

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

class ChainMaker {
 public:
  explicit ChainMaker(const std::function<bool(const std::string&)>& taken) : taken_(taken) {}

  /// The first piece of text, whose last piece is followed by `next`; an error when it cannot be
  /// cut.
  std::expected<std::optional<std::size_t>, std::string> add(std::string_view text,
                                                             std::optional<std::size_t> next) {
    const std::vector<std::size_t> cuts = find_cuts(text, next);
    if (!text.empty() && cuts.empty()) {
      return std::unexpected(std::format(
          "the text \"{}\" cannot be cut into pieces that no other script has; reword it", text));
    }
    if (pieces_.size() + cuts.size() > kMostScriptPieces) {
      return std::unexpected(
          std::format("the scripts are too long: more than {} pieces of about {} "
                      "characters; shorten them or lower \"repeat\"",
                      kMostScriptPieces, kShortestPiece));
    }
    return link(text, cuts, next);
  }

  std::vector<ScriptPiece> take() { return std::move(pieces_); }

 private:
  bool is_free(std::string_view piece) const {
    const std::string text(piece);
    return !texts_.contains(text) && !taken_(text);
  }

  static std::string end_key(std::string_view end, std::optional<std::size_t> next) {
    return std::format("{}\n{}", next ? std::to_string(*next) : "end", end);
  }

  std::optional<std::size_t> shared_end(std::string_view end,
                                        std::optional<std::size_t> next) const {
    if (end.size() > kLongestSharedEnd)
      return std::nullopt;
    const auto found = ends_.find(end_key(end, next));
    if (found == ends_.end())
      return std::nullopt;
    return found->second;
  }

  /// Where the piece that starts at `start` may end: at the end of a word, once it is long enough.
  static std::size_t next_cut(std::string_view text, std::size_t start, std::size_t from) {
    std::size_t word = start;
    for (std::size_t i = start; i < text.size(); ++i) {
      if (is_blank(text[i]))
        word = i;
      const bool word_ends = i > start && is_blank(text[i]) && !is_blank(text[i - 1]);
      const bool long_word = i - word >= kLongestWord && starts_character(text[i]);
      if (!(word_ends || long_word) || i < from || i - start < kShortestPiece)
        continue;
      return text.size() - i < kShortestPiece ? text.size() : i;
    }
    return text.size();
  }

  /// The ends of the pieces. Stops where the rest is shared with an earlier script. When the last
  /// piece is not free, it is joined with the pieces before it until it is.
  std::vector<std::size_t> find_cuts(std::string_view text, std::optional<std::size_t> next) {
    std::vector<std::size_t> cuts;
    std::unordered_set<std::string> own;
    std::size_t start = 0;
    while (start < text.size()) {
      if (shared_end(text.substr(start), next)) {
        // The place of the shared end; link() goes on there.
        cuts.push_back(start);
        return cuts;
      }
      std::size_t end = next_cut(text, start, start + 1);
      const auto free = [&] {
        const std::string piece(text.substr(start, end - start));
        return !own.contains(piece) && is_free(piece);
      };
      while (!free() && end < text.size())
        end = next_cut(text, start, end + 1);
      if (!free()) {
        if (cuts.empty())
          return cut_in_two(text);
        cuts.pop_back();
        start = cuts.empty() ? 0 : cuts.back();
        join_rest(text, cuts, own, start);
        return cuts;
      }
      own.emplace(text.substr(start, end - start));
      cuts.push_back(end);
      start = end;
    }
    return cuts;
  }

  void join_rest(std::string_view text, std::vector<std::size_t>& cuts,
                 const std::unordered_set<std::string>& own, std::size_t start) const {
    while (!is_free(text.substr(start)) || own.contains(std::string(text.substr(start)))) {
      if (cuts.empty()) {
        cuts = cut_in_two(text);
        return;
      }
      cuts.pop_back();
      start = cuts.empty() ? 0 : cuts.back();
    }
    cuts.push_back(text.size());
  }

  /// The last resort for a short text that is a piece elsewhere: any two free parts.
  std::vector<std::size_t> cut_in_two(std::string_view text) const {
    for (std::size_t i = 1; i < text.size(); ++i) {
      const std::string_view first = text.substr(0, i);
      const std::string_view second = text.substr(i);
      if (starts_character(text[i]) && first != second && is_free(first) && is_free(second)) {
        return {i, text.size()};
      }
    }
    return {};
  }

  /// Makes the pieces, last one first, since each needs the index of the one behind it.
  std::optional<std::size_t> link(std::string_view text, const std::vector<std::size_t>& cuts,
                                  std::optional<std::size_t> next) {
    std::optional<std::size_t> following = next;
    if (!cuts.empty() && cuts.back() < text.size())
      following = shared_end(text.substr(cuts.back()), next);
    for (std::size_t i = cuts.size(); i-- > 0;) {
      const std::size_t start = i == 0 ? 0 : cuts[i - 1];
      if (start == cuts[i])
        continue;
      const std::string piece(text.substr(start, cuts[i] - start));
      pieces_.push_back({piece, following});
      texts_.insert(piece);
      following = pieces_.size() - 1;
      if (text.size() - start <= kLongestSharedEnd) {
        ends_.emplace(end_key(text.substr(start), next), *following);
      }
    }
    return following;
  }

  const std::function<bool(const std::string&)>& taken_;
  std::vector<ScriptPiece> pieces_;
  std::unordered_set<std::string> texts_;
  std::unordered_map<std::string, std::size_t>
      ends_; ///< First piece of each end that can be shared.
};

} // namespace

ScriptText script_text(const Script& script) {
  ScriptText text;
  if (!script.think.empty())
    text.thinking = "<think>\n" + script.think + "\n</think>\n\n";
  text.answer = script.say;
  for (const ScriptCall& call : script.calls) {
    if (!text.answer.empty())
      text.answer += "\n";
    text.answer += std::format("<tool_call>\n{{\"name\": \"{}\", \"arguments\": {}}}\n</tool_call>",
                               call.name, call.arguments);
  }
  if (!script.say_after.empty())
    text.answer += (text.answer.empty() ? "" : "\n") + script.say_after;
  return text;
}

std::expected<ScriptChains, std::string>
make_script_chains(const ScriptFile& file, const std::function<bool(const std::string&)>& taken) {
  ScriptChains chains;
  ChainMaker maker(taken);
  for (std::size_t i = 0; i < file.scripts.size(); ++i) {
    const ScriptText text = script_text(file.scripts[i]);
    const auto answer = maker.add(text.answer, std::nullopt);
    if (!answer)
      return std::unexpected(std::format("scripts[{}]: {}", i, answer.error()));
    const auto whole = maker.add(text.thinking, *answer);
    if (!whole)
      return std::unexpected(std::format("scripts[{}]: {}", i, whole.error()));
    chains.entries.push_back({*whole, *answer});
  }
  chains.pieces = maker.take();
  return chains;
}

} // namespace anyclaude::demo
