#include "engine/checkpoint_plan.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

using Places = std::vector<int>;

TEST(CheckpointPlan, TakesTheFirstTheLastTwoAndSomeBetween) {
  Places ends;
  for (int place = 100; place <= 9900; place += 100)
    ends.push_back(place);
  EXPECT_EQ(plan_checkpoints(ends, 0, 0, 9950),
            (Places{100, 3600, 6800, 8400, 9200, 9600, 9800, 9900}));
}

TEST(CheckpointPlan, AFewPlacesAreAllTaken) {
  EXPECT_EQ(plan_checkpoints(Places{500, 700, 900}, 0, 0, 910), (Places{500, 700, 900}));
  EXPECT_EQ(plan_checkpoints(Places{500}, 0, 0, 910), (Places{500}));
  EXPECT_EQ(plan_checkpoints(Places{}, 0, 0, 910), Places{});
}

TEST(CheckpointPlan, LeavesOutWhatIsReusedAndWhatEveryRequestComputes) {
  EXPECT_EQ(plan_checkpoints(Places{500, 700, 900}, 700, 700, 950), (Places{900}));
  EXPECT_EQ(plan_checkpoints(Places{0, 500, 950, 2000}, 0, 0, 950), (Places{500}));
  EXPECT_EQ(plan_checkpoints(Places{500}, 500, 949, 950), (Places{949}));
}

TEST(CheckpointPlan, DoesNotDivideAShortFollowUp) {
  EXPECT_EQ(plan_checkpoints(Places{100, 700, 905, 920}, 900, 900, 930), (Places{920}));
  EXPECT_EQ(plan_checkpoints(Places{100, 110, 125}, 0, 0, 130), (Places{100, 125}));
}

TEST(CheckpointPlan, TakesThePlaceWhereTwoRequestsPart) {
  EXPECT_EQ(plan_checkpoints(Places{900}, 0, 400, 1000), (Places{400, 900}));
  EXPECT_EQ(plan_checkpoints(Places{390, 900}, 0, 400, 1000), (Places{390, 900}));
  EXPECT_EQ(plan_checkpoints(Places{900}, 350, 400, 1000), (Places{900}));
  EXPECT_EQ(plan_checkpoints(Places{}, 0, 1000, 1000), (Places{999}));
}

TEST(ThinCheckpoints, LeavesOnesAtAboutDoubledDistances) {
  std::vector<int> kept;
  for (int turn = 1; turn <= 200; ++turn) { // each turn leaves one behind
    kept.push_back(100 * turn);
    kept = thin_checkpoints(kept);
    ASSERT_EQ(kept.front(), 100);
    ASSERT_EQ(kept.back(), 100 * turn);
    ASSERT_LE(kept.size(), 20u);
    for (std::size_t i = 2; i < kept.size(); ++i) // from the second to last one on
      ASSERT_LE(kept.back() - kept[i - 2], 4 * (kept.back() - kept[i - 1]) + 100) << turn;
  }
  EXPECT_LE(kept.size(), 14u);
  EXPECT_GE(kept.size(), 6u);
  EXPECT_EQ(kept[kept.size() - 2], 100 * 199);
  EXPECT_EQ(thin_checkpoints(std::vector{7}), std::vector{7});
}

} // namespace
} // namespace anyclaude::engine
