// Names of blocks: two that may hold different cells never have the same one.
#include "kv/block.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace anyclaude::kv {
namespace {

TEST(BlockKeys, OfARootDependOnSaltModelAndTenant) {
  const BlockKey key = root_key("salt", "model", "anna");
  EXPECT_EQ(root_key("salt", "model", "anna"), key);
  const std::set<BlockKey> keys{key,
                                root_key("other salt", "model", "anna"),
                                root_key("salt", "other model", "anna"),
                                root_key("salt", "model", "bert"),
                                root_key("saltm", "odel", "anna"), // the parts do not run together
                                root_key("salt", "modela", "nna")};
  EXPECT_EQ(keys.size(), 6u);
}

TEST(BlockKeys, DependOnKindParentAndEveryToken) {
  const BlockKey parent = root_key("salt", "model", "anna");
  const std::vector<Token> tokens{1, 2, 3};
  const std::set<BlockKey> keys{parent,
                                block_key(parent, tokens),
                                node_key(NodeKind::checkpoint, parent, tokens),
                                block_key(root_key("salt", "model", "bert"), tokens),
                                block_key(parent, std::vector<Token>{1, 2}),
                                block_key(parent, std::vector<Token>{1, 2, 4}),
                                block_key(parent, std::vector<Token>{2, 1, 3})};
  EXPECT_EQ(keys.size(), 7u);
}

} // namespace
} // namespace anyclaude::kv
