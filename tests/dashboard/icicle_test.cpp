#include "dashboard/icicle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace anyclaude::dashboard {
namespace {

using kv::Tier;
using testing::HasSubstr;
using testing::Not;

kv::PrefixOutline::Stretch stretch(int parent, int begin,
                                   std::vector<kv::PrefixOutline::Part> parts) {
  kv::PrefixOutline::Stretch out;
  out.parent = parent;
  out.begin = begin;
  for (const auto& part : parts)
    out.tokens += part.tokens;
  out.parts = std::move(parts);
  return out;
}

kv::PrefixOutline sample() {
  kv::PrefixOutline outline;
  outline.conversations = {"3f2a91c0-0000-0000", "<b>/agent-77"};
  auto shared = stretch(-1, 0, {{7500, Tier::pool}});
  shared.disk_tokens = 7000;
  shared.prefixes = 2;
  shared.conversations = {0, 1};
  shared.is_stable = true;
  auto asked = stretch(0, 7500, {{500, Tier::memory}, {2000, Tier::none}});
  asked.requests = 1;
  asked.conversations = {0};
  auto stored = stretch(0, 7500, {{1, Tier::disk}});
  stored.disk_tokens = 1;
  outline.stretches = {shared, asked, stored};
  return outline;
}

TEST(Icicle, TellsTheFiguresOfAStretch) {
  const std::string html = icicle(sample());
  EXPECT_THAT(html, HasSubstr("7,500 tokens of tools and system text, in the pool, 7,000 on the "
                              "disk as well; shared by 2 prefixes; 2 conversations: 3f2a91c0, "
                              "&lt;b&gt;/agent-77"));
  EXPECT_THAT(html, HasSubstr("2,500 tokens behind 7,500, 500 in host memory, 2,000 not computed "
                              "yet; 1 conversation: 3f2a91c0; asked for by 1 request now"));
  EXPECT_THAT(html, HasSubstr(">1 token behind 7,500, on the disk<"));
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
}

TEST(Icicle, LengthIsTokensAndHeightIsPrefixes) {
  const std::string html = icicle(sample());
  EXPECT_THAT(
      html, HasSubstr(R"(<rect class="tier-pool" x="0.000%" y="0" width="75.000%" height="43"/>)"));
  EXPECT_THAT(
      html,
      HasSubstr(R"(<rect class="tier-memory" x="75.000%" y="0" width="5.000%" height="21"/>)"));
  EXPECT_THAT(
      html,
      HasSubstr(R"(<rect class="tier-none" x="80.000%" y="0" width="20.000%" height="21"/>)"));
  EXPECT_THAT(
      html, HasSubstr(R"(<rect class="tier-disk" x="75.000%" y="22" width="0.150%" height="21"/>)"))
      << "of a single token something is seen";
  EXPECT_THAT(html, HasSubstr(">7,500 tokens of tools and system text<"));
}

TEST(Icicle, TheKeyboardStopsOnceAndGoesOnByPath) {
  const std::string html = icicle(sample());
  EXPECT_THAT(html, HasSubstr(R"(aria-level="1" tabindex="0" data-path="0" data-end="7500")"));
  EXPECT_THAT(html, HasSubstr(R"(aria-level="2" tabindex="-1" data-path="0.0" data-end="10000")"));
  EXPECT_THAT(html, HasSubstr(R"(aria-level="2" tabindex="-1" data-path="0.1" data-end="7501")"));
}

TEST(Icicle, HasNoMoreRowsThanAPageHolds) {
  kv::PrefixOutline outline;
  for (int i = 0; i < 60; ++i)
    outline.stretches.push_back(stretch(-1, 0, {{10, Tier::disk}}));
  outline.left_out = 7;
  const std::string html = icicle(outline);
  EXPECT_THAT(html, HasSubstr("height=\"880\""));
  EXPECT_THAT(html, HasSubstr("20 more in the list"));
  EXPECT_THAT(html, HasSubstr("7 smaller ones are not shown"));
  EXPECT_THAT(icicle({}), HasSubstr("Nothing has been computed yet"));
}

} // namespace
} // namespace anyclaude::dashboard
