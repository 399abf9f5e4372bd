#pragma once

#include "kv/cell_model.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace anyclaude::kv {

/// A memory of plain arrays with a state beside its cells, as recurrent layers have one: what is
/// computed depends on the state, which knows where its sequence ended. It behaves as badly as real
/// ones do: a share takes the state of now along, whatever its range; a range cannot be removed; a
/// state of another place is taken without a word, and everything computed behind it is wrong.
class StateModel : public StateMemory {
 public:
  void compute(SequenceId sequence, std::span<const Token> tokens) {
    for (const Token token : tokens) {
      auto& state = states_[sequence];
      const std::size_t length = cells_.length(sequence);
      // A cell is computed from the state: one that does not fit spoils it for good.
      const bool fits =
          state && state->tokens.size() == length && cells_.holds(sequence, state->tokens);
      if (length == 0 && !state)
        state.emplace();
      else if (!fits)
        state->spoilt = true;
      state->tokens.push_back(token);
      cells_.compute(sequence, std::span(&token, 1));
    }
  }

  void share(SequenceId from, SequenceId to, int begin, int end) override {
    cells_.share(from, to, begin, end);
    states_[to] = states_[from];
  }

  void remove(SequenceId, int, int) override {
    throw std::logic_error("a range of a sequence with a state cannot be removed");
  }

  void clear(SequenceId sequence) override {
    cells_.remove(sequence, 0, static_cast<int>(cells_.length(sequence)));
    states_[sequence].reset();
  }

  std::vector<std::byte> save(SequenceId sequence) override {
    if (!states_[sequence])
      return {};
    saved_.push_back(*states_[sequence]);
    std::vector<std::byte> bytes(kStateBytes);
    const std::size_t index = saved_.size() - 1;
    std::memcpy(bytes.data(), &index, sizeof index);
    return bytes;
  }

  bool restore(SequenceId sequence, std::span<const std::byte> bytes, int) override {
    std::size_t index = 0;
    std::memcpy(&index, bytes.data(), sizeof index);
    states_[sequence] = saved_.at(index);
    return true;
  }

  /// Cells without the state, which a sequence that they come back to loses.
  void export_cells(SequenceId sequence, int begin, int end, std::vector<std::byte>& bytes) {
    cells_.export_cells(sequence, begin, end, bytes);
  }
  void import_cells(SequenceId sequence, int begin, int end, int first, int last,
                    std::span<const std::byte> bytes, std::span<const Token> tokens) {
    cells_.import_cells(sequence, begin, end, first, last, bytes, tokens);
    states_[sequence] = State{.tokens = {}, .spoilt = true};
  }

  /// Whether the sequence holds exactly the cells of `tokens`, and the state behind them.
  bool holds(SequenceId sequence, std::span<const Token> tokens) const {
    const auto found = states_.find(sequence);
    const bool has_state = found != states_.end() && found->second;
    if (tokens.empty())
      return cells_.holds(sequence, tokens);
    return has_state && !found->second->spoilt &&
           std::ranges::equal(found->second->tokens, tokens) && cells_.holds(sequence, tokens);
  }

  std::size_t used() const { return cells_.used(); }
  std::size_t length(SequenceId sequence) const { return cells_.length(sequence); }

  static constexpr std::size_t kStateBytes = 100;

 private:
  struct State {
    std::vector<Token> tokens; // that it was computed from
    bool spoilt = false;
  };

  CellModel cells_;
  std::map<SequenceId, std::optional<State>> states_;
  inline static std::vector<State> saved_; // of all lives: what is on a disk outlives this one
};

} // namespace anyclaude::kv
