#include "engine/image_header.h"
#include "engine/test_images.h"

#include <gtest/gtest.h>

#include <string>

namespace anyclaude::engine {
namespace {

std::string header(const std::string& file) {
  const auto read = read_image_header(std::as_bytes(std::span(file)));
  return read ? std::string(read->type) + " " + std::to_string(read->width) + "x" +
                    std::to_string(read->height)
              : read.error();
}

TEST(ImageHeader, SaysTheTypeAndTheSize) {
  using namespace std::string_literals;
  EXPECT_EQ(header(noise_png(1, 70, 30)), "image/png 70x30");
  EXPECT_EQ(header("GIF89a\x40\x01\xC8\x00\xF7\x00\x00"s), "image/gif 320x200");
  // Two segments, bytes that fill up, and a progressive frame.
  EXPECT_EQ(header("\xFF\xD8\xFF\xE0\x00\x04..\xFF\xDB\x00\x03.\xFF\xFF\xC2\x00\x11\x08\x01\x2C\x02"
                   "\x58\x03......"s),
            "image/jpeg 600x300");
  EXPECT_EQ(header("RIFF....WEBPVP8X\x0A\0\0\0\0\0\0\0\x8F\x01\0\x2B\x01\0"s),
            "image/webp 400x300");
  EXPECT_EQ(header("RIFF....WEBPVP8 ....\0\0\0\x9D\x01\x2A\x90\x01\x2C\x01"s),
            "image/webp 400x300");
}

TEST(ImageHeader, WhatIsNoneIsRefused) {
  const std::string none = "it is no PNG, JPEG, GIF or WebP file";
  const std::string png = noise_png(1, 70, 30);
  for (std::size_t size = 0; size < 24; ++size)
    EXPECT_EQ(header(png.substr(0, size)), none);
  EXPECT_EQ(header("%PDF-1.7"), none);
  EXPECT_EQ(header("\xFF\xD8\xFF\xE0"), none);
  EXPECT_EQ(header(png.substr(0, 16) + std::string(8, '\0')), "its header is damaged");
}

} // namespace
} // namespace anyclaude::engine
