#pragma once

#include "anthropic/messages.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace anyclaude::prompt {

/// What stands for an image in a prompt: the tokens of one that the model can see, or why it
/// cannot, as a part of a sentence: "its base64 is damaged". Empty where the model sees no images.
using ImageReader = std::function<std::expected<std::vector<std::int32_t>, std::string>(
    const anthropic::ImageBlock& image)>;

/// The tokens of a prompt's images by their names, which stand in its text between two marks (see
/// ControlText::kImageMark). A name is a hash of the tokens, which are made from the image's
/// content, so that texts with other images are other texts.
using NamedImages = std::map<std::string, std::vector<std::int32_t>, std::less<>>;

/// The API's own limit for a request; what is beyond is not looked at.
inline constexpr int kMostImages = 100;

/// Puts an image among them; returns its name with its marks.
std::string add_image(NamedImages& images, std::vector<std::int32_t> tokens);

} // namespace anyclaude::prompt
