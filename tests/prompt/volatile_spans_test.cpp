#include "prompt/volatile_spans.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {
namespace {

DividedText divide(std::string_view text, std::vector<std::string_view> others = {}) {
  others.push_back(text);
  return SessionMarks(others).divide(text);
}

TEST(VolatileSpans, TextWithoutMarksStaysAsItIs) {
  const std::string_view text =
      "Be brief.\n\n# Tools\n\n- Read reads.\n\n```sh\nls\n\nls /tmp\n```\n\nEnd.";
  EXPECT_EQ(divide(text).stable, text);
  EXPECT_EQ(divide(text).session, "");
}

TEST(VolatileSpans, TheBlockThatGivesTheDirectoryMovesWhole) {
  const auto divided =
      divide("Stable words.\n\n# Environment\nYou work here:\n - Working directory: "
             "/home/ann/shop\n - Is a git repository: true\n\nMore stable words.");
  EXPECT_EQ(divided.session, "# Environment\nYou work here:\n - Working directory: /home/ann/shop\n"
                             " - Is a git repository: true");
  EXPECT_EQ(divided.stable, "Stable words.\n\nMore stable words.");
}

TEST(VolatileSpans, APathInTheDirectoryMovesItsParagraphAndRepeatsTheHeading) {
  const auto divided = divide("# Memory\n\nKeep notes in `/home/ann/shop/notes/`, one a file.\n\n"
                              "Write them well.\n\n# Next\n\nWords.",
                              {"cwd: /home/ann/shop"});
  EXPECT_EQ(divided.session, "# Memory\n\nKeep notes in `/home/ann/shop/notes/`, one a file.");
  EXPECT_EQ(divided.stable, "# Memory\n\n(A paragraph of this section follows further below, under "
                            "the same heading.)\n\nWrite them well.\n\n# Next\n\nWords.");
}

TEST(VolatileSpans, PathsOfTheClientsOwnDataMoveWithoutALabel) {
  const auto divided = divide("Notes are in /home/ann/.claude/projects/-home-ann-shop/memory/.\n\n"
                              "The plan is /home/ann/.claude/plans/blue-moon.md.\n\nStable.");
  EXPECT_EQ(divided.stable, "Stable.");
}

TEST(VolatileSpans, OtherPathsStay) {
  const std::string text =
      "Use /help for help.\n\nSee /usr/share/doc or - as in `/a-b/c`.\n\n"
      "- /clear\n- /compact\n\nA path such as /home/ann/shop2/x is an example.";
  const auto divided = divide(text, {"Working directory: /home/ann/shop"});
  EXPECT_EQ(divided.stable, text);
}

TEST(VolatileSpans, DatesAndSessionsMoveByTheirForm) {
  for (const std::string moved :
       {"Today's date is 2026-11-23.", "Today is Mon Nov 23 2026", "It is November 23rd, 2026.",
        "date: 23/11/2026", "Session 0a1b2c3d-0000-4000-8000-0123456789ab is yours."}) {
    const auto divided = divide("Stable.\n\n" + moved);
    EXPECT_EQ(divided.stable, "Stable.") << moved;
    EXPECT_EQ(divided.session, moved);
  }
  for (const std::string stays : {"Knowledge ends in January 2025.", "Version 2.1.330",
                                  "model-20251001", "In 2026 there were 12 of 31.5"}) {
    EXPECT_EQ(divide("Stable.\n\n" + stays).session, "") << stays;
  }
}

TEST(VolatileSpans, AGitStatusMovesUpToTheNextHeading) {
  const auto divided = divide("Stable.\n\ngitStatus: as it was\n\nCurrent branch: main\n\nRecent "
                              "commits:\n145cccc one\n\n# Style\n\nBe brief.");
  EXPECT_EQ(divided.stable, "Stable.\n\n# Style\n\nBe brief.");
  EXPECT_EQ(divided.session, "gitStatus: as it was\n\nCurrent branch: main\n\nRecent commits:\n"
                             "145cccc one");
}

TEST(VolatileSpans, FencesAndTagsAreNotTornApart) {
  const auto divided =
      divide("Stable.\n\n<env>\nWorking directory: /home/ann/shop\n\nPlatform: "
             "linux\n</env>\n\n```\nfirst\n\nsecond /home/ann/shop/x\n```\n\nEnd.");
  EXPECT_EQ(divided.stable, "Stable.\n\nEnd.");
  EXPECT_EQ(divided.session,
            "<env>\nWorking directory: /home/ann/shop\n\nPlatform: linux\n</env>\n\n"
            "```\nfirst\n\nsecond /home/ann/shop/x\n```");
}

TEST(VolatileSpans, ALargeBlockStaysWhole) {
  std::string list;
  for (int i = 0; i < 200; ++i)
    list += "- an entry of a long list of skills\n";
  list += "- one that mentions /home/ann/shop/skill\n";
  EXPECT_EQ(divide(list, {"Working directory: /home/ann/shop"}).session, "");
}

TEST(VolatileSpans, NothingIsLost) {
  const std::string text = "A\n\n# B\n\nin /home/ann/shop/x\n\nC\n\ncwd: /home/ann/shop\n\n\n\n"
                           "2026-11-23\n\n## D\nlast in /home/ann/shop/y";
  const auto divided = divide(text);
  for (const std::string_view line : {"A", "# B", "in /home/ann/shop/x", "C", "cwd: /home/ann/shop",
                                      "2026-11-23", "## D\nlast in /home/ann/shop/y"})
    EXPECT_TRUE(divided.stable.contains(line) || divided.session.contains(line)) << line;
}

} // namespace
} // namespace anyclaude::prompt
