#include "text/quantity.h"

#include <gtest/gtest.h>

namespace anyclaude::text {
namespace {

TEST(Quantity, NumbersAreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(18490), "18,490");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(grouped(-1234), "-1,234");
}

TEST(Quantity, DurationsHaveTheUnitThatFits) {
  EXPECT_EQ(duration(0), "0 ms");
  EXPECT_EQ(duration(999), "999 ms");
  EXPECT_EQ(duration(3100), "3.1 s");
  EXPECT_EQ(duration(307'000), "5 min 7 s");
  EXPECT_EQ(duration(7'800'000), "2 h 10 min");
}

TEST(Quantity, BytesHaveTheUnitThatFits) {
  EXPECT_EQ(bytes(0), "0 B");
  EXPECT_EQ(bytes(1023), "1023 B");
  EXPECT_EQ(bytes(1024), "1.0 KiB");
  EXPECT_EQ(bytes((1U << 20) - 1), "1.0 MiB");
  EXPECT_EQ(bytes(3U << 19), "1.5 MiB");
  EXPECT_EQ(bytes(std::uint64_t{5} << 40), "5.0 TiB");
}

TEST(Quantity, OnlyAllOfItIsAHundredPercent) {
  EXPECT_EQ(percent(999, 1000), "99%");
  EXPECT_EQ(percent(1000, 1000), "100%");
  EXPECT_EQ(percent(0, 0), "-");
}

} // namespace
} // namespace anyclaude::text
