#include "text/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace anyclaude::text {
namespace {

std::string decoded(std::string_view text) {
  const auto bytes = decode_base64(text);
  std::string result = bytes ? "" : "?";
  if (bytes)
    for (const std::byte byte : *bytes)
      result += static_cast<char>(byte);
  return result;
}

TEST(Base64, IsDecodedAsRfc4648Says) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decoded("+/+/"), "\xFB\xFF\xBF");
}

TEST(Base64, LineBreaksMayStandInItAndPaddingMayBeMissing) {
  EXPECT_EQ(decoded("Zm9v\r\nYmFy\n"), "foobar");
  EXPECT_EQ(decoded("Zm8"), "fo");
}

TEST(Base64, WhatIsNoneIsNothing) {
  for (const char* text : {"Z", "Zm9vY", "Zm=9", "Zm9v=", "Zg=", "Zg===", "Zm 9v", "Zm9_", "===="})
    EXPECT_EQ(decoded(text), "?") << text;
}

} // namespace
} // namespace anyclaude::text
