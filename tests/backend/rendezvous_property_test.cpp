#include "backend/rendezvous.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace anyclaude::backend {
namespace {

using Ids = std::vector<std::string>;

Ids named(const Ids& ids, const std::vector<std::size_t>& order) {
  Ids names;
  for (const std::size_t index : order)
    names.push_back(ids.at(index));
  return names;
}

rc::Gen<Ids> some_ids() {
  return rc::gen::suchThat(rc::gen::unique<Ids>(rc::gen::nonEmpty<std::string>()),
                           [](const Ids& ids) { return !ids.empty(); });
}

RC_GTEST_PROP(Rendezvous, OrdersEveryIdOnce, (const std::string& key)) {
  const Ids ids = *some_ids();
  const Ids order = named(ids, rendezvous_order(key, ids));
  RC_ASSERT(std::set<std::string>(order.begin(), order.end()) ==
            std::set<std::string>(ids.begin(), ids.end()));
  RC_ASSERT(order.size() == ids.size());
}

RC_GTEST_PROP(Rendezvous, DoesNotDependOnTheOrderOfTheIds, (const std::string& key)) {
  const Ids ids = *some_ids();
  Ids reversed(ids.rbegin(), ids.rend());
  RC_ASSERT(named(ids, rendezvous_order(key, ids)) ==
            named(reversed, rendezvous_order(key, reversed)));
}

/// So that only the conversations of the one that went move, each to its own second choice.
RC_GTEST_PROP(Rendezvous, AnIdThatGoesLeavesTheOthersInTheirOrder, (const std::string& key)) {
  Ids ids = *some_ids();
  Ids order = named(ids, rendezvous_order(key, ids));
  const std::string gone = *rc::gen::elementOf(ids);
  std::erase(ids, gone);
  std::erase(order, gone);
  RC_ASSERT(named(ids, rendezvous_order(key, ids)) == order);
}

TEST(Rendezvous, AnIdThatComesTakesItsShareFromAllAlike) {
  constexpr int kKeys = 8'000;
  Ids ids;
  for (int i = 0; i < 7; ++i)
    ids.push_back("http://10.0.0." + std::to_string(i) + ":8000");
  std::map<std::size_t, int> before;
  std::vector<std::size_t> first;
  for (int key = 0; key < kKeys; ++key) {
    first.push_back(rendezvous_order(std::to_string(key), ids).front());
    ++before[first.back()];
  }
  for (const auto& [id, keys] : before)
    EXPECT_NEAR(keys, kKeys / 7, kKeys / 70) << id; // 10% of a share is 3.5 standard deviations
  ids.push_back("http://10.0.0.99:8000");
  int moved = 0;
  for (int key = 0; key < kKeys; ++key) {
    const std::size_t now = rendezvous_order(std::to_string(key), ids).front();
    if (now == first[static_cast<std::size_t>(key)])
      continue;
    ++moved;
    EXPECT_EQ(now, 7U) << "a conversation moved between two servers that were there all the time";
  }
  EXPECT_NEAR(moved, kKeys / 8, kKeys / 80);
}

} // namespace
} // namespace anyclaude::backend
