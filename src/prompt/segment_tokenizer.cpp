#include "prompt/segment_tokenizer.h"

#include <algorithm>
#include <utility>

namespace anyclaude::prompt {

namespace {

constexpr std::size_t kPiece = 64U << 10; // bytes that are counted at a time
constexpr std::size_t kBytesPerToken = 4; // of ordinary text, about
constexpr std::size_t kSegmentOverhead =
    256; // bytes of a segment in the map, the list and the allocator

} // namespace

std::size_t SegmentTokenizer::Segment::bytes() const {
  return kSegmentOverhead + text.size() + tokens.size() * sizeof(std::int32_t);
}

std::size_t SegmentTokenizer::bytes() const {
  const std::scoped_lock lock(*mutex_);
  return bytes_;
}

SegmentTokenizer::SegmentTokenizer(Tokenizer tokenizer, std::size_t capacity, std::size_t most)
    : tokenizer_(std::move(tokenizer)), control_(tokenizer_.control_texts), capacity_(capacity),
      most_(most) {}

/// Whether a text may be cut in front of this control text. Some tokenizers let a control token
/// swallow blanks before it (LSTRIP), and then the cut would show.
bool SegmentTokenizer::cuts(const std::string& control) {
  {
    const std::scoped_lock lock(*mutex_);
    if (const auto known = cuts_.find(control); known != cuts_.end())
      return known->second;
  }
  const std::string before = "word \n ";
  const std::string behind = control + " \n word";
  auto cut = tokenizer_.tokenize(before, true);
  cut.append_range(tokenizer_.tokenize(behind, true));
  const bool same = cut == tokenizer_.tokenize(before + behind, true);
  const std::scoped_lock lock(*mutex_);
  cuts_.emplace(control, same);
  return same;
}

bool SegmentTokenizer::recall(std::vector<std::int32_t>& tokens, std::string_view segment) {
  const std::scoped_lock lock(*mutex_);
  const auto found = by_text_.find(segment);
  if (found == by_text_.end())
    return false;
  segments_.splice(segments_.begin(), segments_, found->second);
  tokens.append_range(found->second->tokens);
  return true;
}

void SegmentTokenizer::remember(std::string_view segment, std::vector<std::int32_t> tokens) {
  const std::scoped_lock lock(*mutex_);
  if (by_text_.contains(segment)) // by another thread, meanwhile
    return;
  tokens.shrink_to_fit(); // what it has room for beyond is not counted
  segments_.push_front({std::string(segment), std::move(tokens)});
  by_text_.emplace(segments_.front().text, segments_.begin());
  bytes_ += segments_.front().bytes();
  while (bytes_ > capacity_) {
    by_text_.erase(segments_.back().text);
    bytes_ -= segments_.back().bytes();
    segments_.pop_back();
  }
}

/// Whether a segment has at most `room` tokens, by counting those of its pieces one after another;
/// each cut may add one or two.
bool SegmentTokenizer::fits(std::string_view segment, std::size_t room) const {
  std::size_t count = 0;
  while (count <= room && !segment.empty()) {
    std::size_t piece = std::min(kPiece, segment.size());
    while (piece > 1 && piece < segment.size() && (segment[piece] & 0xC0) == 0x80)
      --piece; // not inside of a character
    count += tokenizer_.tokenize(segment.substr(0, piece), true).size();
    segment.remove_prefix(piece);
  }
  return count <= room;
}

/// False where there is no room for the segment; then some of its tokens are left out.
bool SegmentTokenizer::append(std::vector<std::int32_t>& tokens, std::string_view segment) {
  if (segment.empty() || recall(tokens, segment))
    return true;
  const std::size_t room = most_ - std::min(most_, tokens.size());
  // Counting costs as much as making them. Ordinary text that is not much too long is made at once.
  if (segment.size() / kBytesPerToken > room && !fits(segment, room))
    return false;
  auto made = tokenizer_.tokenize(segment, true);
  tokens.append_range(made);
  remember(segment, std::move(made));
  return true;
}

std::vector<std::int32_t> SegmentTokenizer::tokenize(std::string_view rendered) {
  return tokenize(rendered, {}).tokens;
}

SegmentTokenizer::Turns SegmentTokenizer::tokenize(std::string_view rendered,
                                                   std::span<const std::string> turn_starts,
                                                   const NamedImages& images) {
  Turns turns = tokenize_behind(0, rendered, turn_starts, images);
  auto& tokens = turns.tokens;
  if (tokenizer_.prompt_start >= 0 &&
      (tokens.empty() || tokens.front() != tokenizer_.prompt_start)) {
    tokens.insert(tokens.begin(), tokenizer_.prompt_start);
    for (int& boundary : turns.boundaries)
      ++boundary;
  }
  return turns;
}

SegmentTokenizer::Turns SegmentTokenizer::tokenize_behind(std::size_t before,
                                                          std::string_view rendered,
                                                          std::span<const std::string> turn_starts,
                                                          const NamedImages& images) {
  Turns turns;
  bool is_name = false;
  for (const std::string_view part : ControlText::split_at_images(rendered)) {
    if (!is_name)
      append_text(turns, before, part, turn_starts);
    else if (const auto image = images.find(part); image != images.end())
      turns.tokens.append_range(image->second);
    is_name = !is_name;
  }
  return turns;
}

void SegmentTokenizer::append_text(Turns& turns, std::size_t before, std::string_view rendered,
                                   std::span<const std::string> turn_starts) {
  auto& tokens = turns.tokens;
  std::size_t left_out = 0; // bytes
  const auto add = [&](std::string_view segment) {
    if (left_out > 0 || !append(tokens, segment))
      left_out += segment.size();
  };
  for (const std::string_view part : ControlText::split(rendered)) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < part.size();) {
      const std::size_t control = control_.match(part.substr(i));
      if (control > 0 && cuts(std::string(part.substr(i, control)))) {
        add(part.substr(begin, i - begin));
        begin = i;
        const std::size_t place = before + tokens.size();
        if (place > 0 && std::ranges::contains(turn_starts, part.substr(i, control)))
          turns.boundaries.push_back(static_cast<int>(place));
      }
      i += std::max<std::size_t>(control, 1);
    }
    add(part.substr(begin));
  }
  if (left_out > 0) // and more than there is room for
    turns.beyond += std::max(left_out / kBytesPerToken, most_ - std::min(most_, tokens.size()) + 1);
}

} // namespace anyclaude::prompt
