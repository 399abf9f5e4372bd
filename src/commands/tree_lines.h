#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace anyclaude::commands {

/// A tree of prefixes to be drawn in a terminal, a line for each of its nodes.
struct TreeNode {
  int prefixes = 1; // that go through it
  int left_out = 0; // of them, prefixes behind it that nothing more is known of
  std::vector<TreeNode> behind;
  int number = 0; // whatever the caller knows it by
};

struct TreeLine {
  std::string branch;             // "│  ├─ "
  const TreeNode* node = nullptr; // null: there are more prefixes, which are not drawn
  int more = 0;
};

/// At most `most` lines with nodes; of what does not fit is said how many prefixes it is.
std::vector<TreeLine> tree_lines(const std::vector<TreeNode>& tops, std::size_t most,
                                 int left_out = 0);

} // namespace anyclaude::commands
