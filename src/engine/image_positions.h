#pragma once

#include "kv/image_tokens.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace anyclaude::engine {

/// Which positions the tokens of one sequence have: their places, but for what images in front of
/// them take less or more (see kv/image_tokens.h).
class ImagePositions {
 public:
  /// Position of the token at `place`; of an image's tokens, of its first.
  int at(int place) const {
    int position = place;
    for (const Image& image : images_) {
      if (place <= image.begin)
        break;
      position -=
          place < image.end ? place - image.begin : image.end - image.begin - image.positions;
    }
    return position;
  }

  /// Learns of the images among `tokens`, which stand from `begin` on.
  void add(int begin, std::span<const kv::Token> tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      if (kv::begins_image(tokens[i]))
        put({begin + static_cast<int>(i), begin + static_cast<int>(kv::image_end(tokens, i)),
             kv::image_positions(tokens, i)});
  }

  /// Learns what another sequence knows of a range that both have.
  void copy(const ImagePositions& from, int begin, int end) {
    for (const Image& image : from.images_)
      if (image.begin >= begin && image.end <= end)
        put(image);
  }

  void forget(int begin, int end) {
    std::erase_if(images_,
                  [=](const Image& image) { return image.begin >= begin && image.begin < end; });
  }

 private:
  struct Image {
    int begin = 0;
    int end = 0;
    int positions = 0;
  };

  void put(const Image& image) {
    forget(image.begin, image.end);
    images_.insert(std::ranges::upper_bound(images_, image.begin, {}, &Image::begin), image);
  }

  std::vector<Image> images_; // in order
};

} // namespace anyclaude::engine
