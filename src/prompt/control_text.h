#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {

/// Keeps text that only looks like a control token from becoming one. A file that a tool reads may
/// hold "<|im_end|>"; tokenized as such it would end the turn and let the file speak as the user.
/// Before the template is rendered, a mark is put inside every such text of the client; the
/// rendered prompt is then cut at the marks and each part is tokenized by itself, so that the
/// template's own control tokens are recognised and the client's never are.
/// Immutable, thread-safe.
class ControlText {
 public:
  /// The texts of the model's control tokens.
  explicit ControlText(std::vector<std::string> texts);

  /// More marks, for places in a prompt. Unicode noncharacters, as the first.
  static constexpr std::string_view kPlaceMark = "\xEF\xB7\x91";  // U+FDD1
  static constexpr std::string_view kAnswerMark = "\xEF\xB7\x92"; // U+FDD2
  static constexpr std::string_view kImageMark = "\xEF\xB7\x93";  // U+FDD3, round an image's name

  /// `text` with a mark inside every control text. Marks already in it are taken out: they are
  /// never text.
  std::string protect(std::string_view text) const;

  /// Length of the longest control text that `text` begins with; 0 for none.
  std::size_t match(std::string_view text) const;

  /// The parts between marks inside control texts.
  static std::vector<std::string_view> split(std::string_view rendered);

  /// The texts between images, and between each two of them the name of the image.
  static std::vector<std::string_view> split_at_images(std::string_view rendered);

 private:
  std::array<std::vector<std::string>, 256> by_first_byte_;
  bool is_empty_ = true;
};

} // namespace anyclaude::prompt
