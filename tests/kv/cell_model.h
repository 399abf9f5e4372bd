#pragma once

#include "kv/sequence_memory.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <vector>

namespace anyclaude::kv {

/// A KV memory of plain arrays that knows what every cell depends on: a cell carries a hash of all
/// tokens up to and with its own, as real keys and values do. A sequence whose cells are not
/// exactly those of its tokens is therefore seen at once.
class CellModel : public SequenceMemory, public BlockMemory {
 public:
  /// What the model would compute: one new cell a token behind what the sequence has.
  void compute(SequenceId sequence, std::span<const Token> tokens) {
    int position = static_cast<int>(rows_[sequence].size());
    for (const Token token : tokens) {
      const std::uint64_t before =
          position == 0 ? 0 : cells_.at(rows_[sequence].at(position - 1)).hash;
      cells_[next_] = {mix(before, token), {sequence}};
      rows_[sequence][position++] = next_++;
    }
  }

  void share(SequenceId from, SequenceId to, int begin, int end) override {
    for (int position = begin; position < end; ++position) {
      if (rows_[to].contains(position))
        throw std::logic_error("two cells at one position of a sequence");
      const auto cell = rows_.at(from).at(position);
      rows_[to][position] = cell;
      cells_.at(cell).owners.insert(to);
    }
  }

  void remove(SequenceId sequence, int begin, int end) override {
    for (int position = begin; position < end; ++position) {
      const auto found = rows_[sequence].find(position);
      if (found == rows_[sequence].end())
        throw std::logic_error("removed a position that the sequence does not have");
      auto& cell = cells_.at(found->second);
      cell.owners.erase(sequence);
      if (cell.owners.empty())
        cells_.erase(found->second);
      rows_[sequence].erase(found);
    }
  }

  /// What a cell depends on leaves with it, and comes back unchecked, as libllama does it.
  bool export_cells(SequenceId sequence, int begin, int end,
                    std::vector<std::byte>& bytes) override {
    bytes.resize(static_cast<std::size_t>(end - begin) * sizeof(std::uint64_t));
    for (int position = begin; position < end; ++position)
      std::memcpy(&bytes.at(static_cast<std::size_t>(position - begin) * sizeof(std::uint64_t)),
                  &cells_.at(rows_.at(sequence).at(position)).hash, sizeof(std::uint64_t));
    return true;
  }

  bool import_cells(SequenceId sequence, int begin, int end, int first, int last,
                    std::span<const std::byte> bytes, std::span<const Token>) override {
    if (first > begin || end > last || begin >= end)
      throw std::logic_error("a range to import that is not in the block");
    if (bytes.size() != static_cast<std::size_t>(last - first) * sizeof(std::uint64_t))
      return false;
    for (int position = begin; position < end; ++position) {
      if (rows_[sequence].contains(position))
        throw std::logic_error("two cells at one position of a sequence");
      std::uint64_t hash = 0;
      std::memcpy(&hash, &bytes[static_cast<std::size_t>(position - first) * sizeof(std::uint64_t)],
                  sizeof hash);
      cells_[next_] = {hash, {sequence}};
      rows_[sequence][position] = next_++;
    }
    return true;
  }

  /// Whether the sequence holds exactly the cells of `tokens`.
  bool holds(SequenceId sequence, std::span<const Token> tokens) const {
    const auto row = rows_.find(sequence);
    if (row == rows_.end())
      return tokens.empty();
    if (row->second.size() != tokens.size())
      return false;
    std::uint64_t hash = 0;
    for (std::size_t position = 0; position < tokens.size(); ++position) {
      hash = mix(hash, tokens[position]);
      const auto cell = row->second.find(static_cast<int>(position));
      if (cell == row->second.end() || cells_.at(cell->second).hash != hash)
        return false;
    }
    return true;
  }

  std::size_t used() const { return cells_.size(); }

  /// Cells of a sequence.
  std::size_t length(SequenceId sequence) const {
    const auto row = rows_.find(sequence);
    return row == rows_.end() ? 0 : row->second.size();
  }

 private:
  struct Cell {
    std::uint64_t hash = 0;
    std::set<SequenceId> owners;
  };
  static std::uint64_t mix(std::uint64_t hash, Token token) {
    return (hash ^ (static_cast<std::uint64_t>(token) + 0x9E3779B97F4A7C15u)) *
               0xBF58476D1CE4E5B9u +
           (hash >> 29);
  }

  std::map<SequenceId, std::map<int, std::uint64_t>> rows_; // position -> cell
  std::map<std::uint64_t, Cell> cells_;
  std::uint64_t next_ = 1;
};

} // namespace anyclaude::kv
