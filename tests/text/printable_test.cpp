#include "text/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace anyclaude::text {
namespace {

const std::string kMark = "\uFFFD";

TEST(Printable, ControlCharactersGo) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a" + kMark + "[2Jb");
  EXPECT_EQ(printable("\x1b]0;title\x07"), kMark + "]0;title" + kMark);
  EXPECT_EQ(printable("a\rb\x7f" + std::string(1, '\0')), "a" + kMark + "b" + kMark + kMark);
  EXPECT_EQ(printable("a\u009b31mb"), "a" + kMark + "31mb"); // CSI in one character
}

TEST(Printable, TheDirectionOfWritingStays) {
  EXPECT_EQ(printable("a\u202Eb\u2066c\u2069"), "a" + kMark + "b" + kMark + "c" + kMark);
}

TEST(Printable, OrdinaryTextStaysAsItIs) {
  for (const std::string text :
       {"", "two\n\tlines", "Zürich 你好 🙂 «é»", "\u00A0\u2028", "\xff\xc2"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, ALineIsOneLine) {
  EXPECT_EQ(printable_line("a\nb\tc\x1b"), "a b c" + kMark);
}

} // namespace
} // namespace anyclaude::text
