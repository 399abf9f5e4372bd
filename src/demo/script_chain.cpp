#include "demo/script_chain.h"

#include <algorithm>
#include <array>
#include <format>
#include <iterator>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace anyclaude::demo {

namespace {

/// Shorter pieces would turn up in ordinary prompts, where they break words apart.
constexpr std::size_t kShortestPiece = 10;
/// Text without blanks (a path, Chinese, base64) is cut after about this many bytes.
constexpr std::size_t kLongestWord = 24;
/// Longer ends are not shared, nor kept: each piece would have a copy of everything behind it.
constexpr std::size_t kLongestSharedEnd = 2048;
/// Tokens of their own (see vocabulary.cpp) that a script's text may contain.
constexpr std::array<std::string_view, 6> kTags{
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"};

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

/// Whether a tag, which is a token of its own, stands across position `at`.
bool cuts_tag(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongestTag = 16;
  const std::size_t from = at < kLongestTag ? 0 : at - kLongestTag;
  const std::string_view around = text.substr(from, 2 * kLongestTag);
  for (const std::string_view tag : kTags) {
    const std::size_t found = around.find(tag);
    if (found != std::string_view::npos && found + from < at && at < found + from + tag.size())
      return true;
  }
  return false;
}

/// Where a piece that starts at `start` may end, `from` or later: at the end of a word, once it is
/// long enough, and so that what is left of `text` is long enough, too.
std::size_t next_cut(std::string_view text, std::size_t start, std::size_t from) {
  std::size_t word = start;
  for (std::size_t i = start; i < text.size(); ++i) {
    if (is_blank(text[i]))
      word = i;
    if (i < from || i - start < kShortestPiece)
      continue;
    const bool word_ends = is_blank(text[i]) && !is_blank(text[i - 1]);
    const bool long_word =
        i - word >= kLongestWord && starts_character(text[i]) && !cuts_tag(text, i);
    if (word_ends || long_word)
      return text.size() - i < kShortestPiece ? text.size() : i;
  }
  return text.size();
}

class ChainMaker {
 public:
  ChainMaker(std::vector<std::string> texts, const std::function<bool(const std::string&)>& taken)
      : texts_(std::move(texts)), taken_(taken) {}

  /// Cuts text `index`, with a cut at `border`, and makes its pieces.
  std::expected<ScriptEntry, std::string> add(std::size_t index, std::size_t border) {
    const std::string_view text = texts_[index];
    const std::size_t own = shared_from(text, border);
    ScriptEntry entry{end_at(text, own), end_at(text, std::max(own, border))};
    // From the back, since each piece needs the index of the one behind it.
    for (const auto& [start, end] :
         {std::pair{border, own}, std::pair{std::size_t{0}, std::min(border, own)}}) {
      if (start >= end)
        continue;
      const auto first = chain(text, start, end, entry.whole);
      if (!first)
        return std::unexpected(first.error());
      entry.whole = *first;
      if (start == border)
        entry.answer = entry.whole;
    }
    return entry;
  }

  std::vector<ScriptPiece> take_pieces() { return std::move(pieces_); }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  /// Pieces must be found only in their place: the same text with the same rest is the same place.
  bool only_here(std::string_view piece, std::string_view rest) const {
    for (const std::string& text : texts_)
      for (std::size_t i = text.find(piece); i != std::string::npos; i = text.find(piece, i + 1))
        if (std::string_view(text).substr(i) != rest)
          return false;
    return true;
  }

  bool is_free(std::string_view text, std::size_t start, std::size_t end, bool strict) const {
    const std::string piece(text.substr(start, end - start));
    return !used_.contains(piece) && !taken_(piece) &&
           (!strict || only_here(piece, text.substr(start)));
  }

  std::optional<std::size_t> end_at(std::string_view text, std::size_t start) const {
    const auto found = ends_.find(std::string(text.substr(start)));
    return found == ends_.end() ? std::nullopt : std::optional(found->second);
  }

  /// From where on the text is an earlier script's end, from one of its pieces on. An end that
  /// begins before the border must have a piece there, too.
  std::size_t shared_from(std::string_view text, std::size_t border) const {
    std::size_t from = text.size() > kLongestSharedEnd ? text.size() - kLongestSharedEnd : 0;
    if (from < border && border < text.size() && !end_at(text, border))
      from = border;
    while (from < text.size() && !end_at(text, from))
      ++from;
    return from;
  }

  /// Makes the pieces of [start, end) in front of piece `following`; returns the first.
  std::expected<std::size_t, std::string> chain(std::string_view text, std::size_t start,
                                                std::size_t end,
                                                std::optional<std::size_t> following) {
    std::vector<std::size_t> cuts = greedy_cuts(text, start, end, true);
    if (cuts.empty() && following) {
      // Scripts that think alike differ in their answers: the answer's first piece joins in.
      const ScriptPiece& joined = pieces_[*following];
      cuts = greedy_cuts(text, start, end + joined.text.size(), true);
      if (!cuts.empty())
        following = joined.next;
    }
    if (cuts.empty()) // a text that another one begins with has no piece in its place only
      cuts = greedy_cuts(text, start, end, false);
    if (cuts.empty())
      cuts = cut_in_two(text, start, end);
    if (cuts.empty())
      return std::unexpected(
          std::format("the text \"{}\" cannot be cut into pieces that no other script has; "
                      "reword it",
                      text.substr(start, end - start)));
    if (pieces_.size() + cuts.size() > kMostScriptPieces)
      return std::unexpected(
          std::format("the scripts are too long: more than {} pieces of about {} "
                      "characters; shorten them or lower \"repeat\"",
                      kMostScriptPieces, kShortestPiece));
    return link(text, start, cuts, following);
  }

  /// The last resort for a short text that is a piece elsewhere: any two free parts.
  std::vector<std::size_t> cut_in_two(std::string_view text, std::size_t start,
                                      std::size_t end) const {
    for (std::size_t i = start + 1; i < end; ++i) {
      const bool differ = text.substr(start, i - start) != text.substr(i, end - i);
      if (starts_character(text[i]) && differ && is_free(text, start, i, false) &&
          is_free(text, i, end, false))
        return {i, end};
    }
    return {};
  }

  /// As many pieces as can be had from left to right; an end that is not free joins the pieces
  /// before it. Empty when not even the whole is free.
  std::vector<std::size_t> greedy_cuts(std::string_view text, std::size_t start, std::size_t end,
                                       bool strict) const {
    const std::string_view part = text.substr(0, end);
    std::vector<std::size_t> cuts{start};
    std::unordered_set<std::string> own;
    const auto free = [&](std::size_t from, std::size_t to) {
      return !own.contains(std::string(text.substr(from, to - from))) &&
             is_free(text, from, to, strict);
    };
    while (cuts.back() < end) {
      const std::size_t from = cuts.back();
      std::size_t to = next_cut(part, from, from + 1);
      while (!free(from, to) && to < end)
        to = next_cut(part, from, to + 1);
      while (!cuts.empty() && !free(cuts.back(), to))
        cuts.pop_back();
      if (cuts.empty())
        return {};
      own.emplace(text.substr(cuts.back(), to - cuts.back()));
      cuts.push_back(to);
    }
    cuts.erase(cuts.begin());
    return cuts;
  }

  std::size_t link(std::string_view text, std::size_t start, const std::vector<std::size_t>& cuts,
                   std::optional<std::size_t> following) {
    std::size_t first = 0;
    for (std::size_t i = cuts.size(); i-- > 0;) {
      const std::size_t from = i == 0 ? start : cuts[i - 1];
      const std::string piece(text.substr(from, cuts[i] - from));
      pieces_.push_back({piece, following});
      used_.insert(piece);
      first = pieces_.size() - 1;
      following = first;
      if (text.size() - from <= kLongestSharedEnd)
        ends_.emplace(text.substr(from), first);
    }
    return first;
  }

  std::vector<std::string> texts_;
  const std::function<bool(const std::string&)>& taken_;
  std::vector<ScriptPiece> pieces_;
  std::unordered_set<std::string> used_;
  std::unordered_map<std::string, std::size_t>
      ends_; ///< The piece that each known end begins with.
};

/// The pieces of one text by where they begin.
using Places = std::map<std::size_t, std::size_t>; // begin -> length

Places places_of(const ScriptChains& chains, std::optional<std::size_t> piece) {
  Places places;
  for (std::size_t at = 0; piece; piece = chains.pieces[*piece].next) {
    places.emplace(at, chains.pieces[*piece].text.size());
    at += chains.pieces[*piece].text.size();
  }
  return places;
}

/// Whether a search for the longest pieces first leaves [at, at + length) to the chain: it is one
/// of its places, or a longer piece was found across it before.
bool is_harmless(const Places& places, std::size_t at, std::size_t length) {
  auto place = std::prev(places.upper_bound(at)); // a chain covers its text from 0
  if (place->first == at && place->second == length)
    return true;
  for (; place != places.end() && place->first < at + length; ++place)
    if (place->second > length)
      return true;
  return false;
}

/// See ScriptChains::found_again. By induction from the longest piece down: where all longer ones
/// are found in their places alone, and every other occurrence of this one touches a longer one, it
/// is found in its place alone, too.
bool are_found_again(const std::vector<std::string>& texts, const std::vector<std::size_t>& borders,
                     const ScriptChains& chains) {
  std::vector<std::string_view> searched(kTags.begin(), kTags.end());
  for (const ScriptPiece& piece : chains.pieces)
    searched.push_back(piece.text);
  const auto is_found = [&](std::string_view text, std::optional<std::size_t> first) {
    const Places places = places_of(chains, first);
    for (const std::string_view piece : searched)
      for (std::size_t at = text.find(piece); at != std::string_view::npos;
           at = text.find(piece, at + 1))
        if (!is_harmless(places, at, piece.size()))
          return false;
    return true;
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string_view text = texts[i];
    if (!is_found(text, chains.entries[i].whole) ||
        (borders[i] > 0 && !is_found(text.substr(borders[i]), chains.entries[i].answer)))
      return false;
  }
  return true;
}

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
  std::vector<std::string> texts;
  std::vector<std::size_t> borders;
  for (const Script& script : file.scripts) {
    const ScriptText text = script_text(script);
    texts.push_back(text.thinking + text.answer);
    borders.push_back(text.thinking.size());
  }
  ChainMaker maker(std::move(texts), taken);
  std::vector<ScriptEntry> entries;
  for (std::size_t i = 0; i < borders.size(); ++i) {
    const auto entry = maker.add(i, borders[i]);
    if (!entry)
      return std::unexpected(std::format("scripts[{}]: {}", i, entry.error()));
    entries.push_back(*entry);
  }
  ScriptChains chains{maker.take_pieces(), std::move(entries)};
  chains.found_again = are_found_again(maker.texts(), borders, chains);
  return chains;
}

} // namespace anyclaude::demo
