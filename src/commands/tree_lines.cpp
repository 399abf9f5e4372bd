#include "commands/tree_lines.h"

namespace anyclaude::commands {

namespace {

class Drawing {
 public:
  explicit Drawing(std::size_t most) : left_(most) {}

  void draw(const std::vector<TreeNode>& nodes, int more, const std::string& indent, bool is_top) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (left_ == 0) {
        for (; i < nodes.size(); ++i)
          more += nodes[i].prefixes;
        break;
      }
      --left_;
      const bool is_last = i + 1 == nodes.size() && more == 0;
      lines_.push_back({indent + (is_top ? "" : is_last ? "└─ " : "├─ "), &nodes[i], 0});
      draw(nodes[i].behind, nodes[i].left_out,
           indent + (is_top    ? ""
                     : is_last ? "   "
                               : "│  "),
           false);
    }
    if (more > 0)
      lines_.push_back({indent + (is_top ? "" : "└─ "), nullptr, more});
  }
  std::vector<TreeLine> take() { return std::move(lines_); }

 private:
  std::size_t left_;
  std::vector<TreeLine> lines_;
};

} // namespace

std::vector<TreeLine> tree_lines(const std::vector<TreeNode>& tops, std::size_t most,
                                 int left_out) {
  Drawing drawing(most);
  drawing.draw(tops, left_out, "", true);
  return drawing.take();
}

} // namespace anyclaude::commands
