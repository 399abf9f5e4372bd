#include "upstream/sse_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace anyclaude::upstream {
namespace {

/// What was read, one line each.
std::vector<std::string> read(const std::vector<std::string>& pieces, std::size_t limit = 1000) {
  std::vector<std::string> out;
  SseReader reader({[&](const SseEvent& event) { out.push_back(event.name + "|" + event.data); },
                    [&](std::string_view comment) { out.push_back("#" + std::string(comment)); }},
                   limit);
  bool good = true;
  for (const auto& piece : pieces)
    good = good && reader.push(piece);
  reader.finish();
  if (!good)
    out.emplace_back("overflow");
  return out;
}

using Lines = std::vector<std::string>;

TEST(SseReader, ReadsEventsAndComments) {
  EXPECT_EQ(read({"event: ping\ndata: {}\n\n: keepalive 5/10\n\ndata: one\ndata:two\n\n"}),
            (Lines{"ping|{}", "#keepalive 5/10", "|one\ntwo"}));
}

TEST(SseReader, KnowsEveryLineEnd) {
  EXPECT_EQ(read({"data: a\r\n\r\ndata: b\r\rdata: c\n\n"}), (Lines{"|a", "|b", "|c"}));
}

TEST(SseReader, PassesOtherFieldsAndAByteOrderMarkOver) {
  EXPECT_EQ(read({"\xEF\xBB\xBF"
                  "data: a\nid: 1\nretry: 3\nnonsense\n\n"}),
            (Lines{"|a"}));
}

TEST(SseReader, AnEventWithoutDataIsNone) {
  EXPECT_EQ(read({"event: x\n\ndata: a\n\n"}), (Lines{"|a"}));
}

TEST(SseReader, TellsALastEventWithoutItsEmptyLine) {
  EXPECT_EQ(read({"data: a\n\ndata: [DONE]"}), (Lines{"|a", "|[DONE]"}));
}

TEST(SseReader, StopsAtAnEventThatIsTooLarge) {
  EXPECT_EQ(read({"data: a\n\n", std::string(2000, 'x')}), (Lines{"|a", "overflow"}));
  EXPECT_EQ(read({"data: " + std::string(2000, 'x') + "\n", "\ndata: b\n\n"}), (Lines{"overflow"}));
}

RC_GTEST_PROP(SseReader, PropertyCutsMakeNoDifference, ()) {
  const std::string text =
      *rc::gen::container<std::string>(rc::gen::element('d', ':', ' ', '\n', '\r', '{', 'x'));
  const std::string stream = "data: 1\r\n\r\ndata:" + text + "\n\n:c" + text + "data: 2\r\r";
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < stream.size();) {
    const auto size = *rc::gen::inRange<std::size_t>(1, 6);
    pieces.push_back(stream.substr(at, size));
    at += size;
  }
  RC_ASSERT(read({stream}) == read(pieces));
}

} // namespace
} // namespace anyclaude::upstream
