#pragma once

#include "engine/decoder.h"
#include "kv/cell_model.h"
#include "kv/state_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::engine {

/// A model of plain arrays that keeps the decoder's contract, and throws std::logic_error when its
/// user breaks it. What it "says" behind some tokens is a hash of exactly those tokens as its cells
/// hold them, so an answer that was computed on a wrong prefix is a different answer.
///
/// A stateful one has a state beside its cells, as models with sliding windows or recurrent layers
/// do. Tokens 0 … 255 are bytes.
class FakeDecoder : public Decoder {
 public:
  static constexpr Token kEndOfTurn = 256;
  static constexpr Token kToolCall = 257; // a control token that a caller may want to see
  static constexpr Token kHidden = 258;   // one that nobody wants to see

  FakeDecoder(int cells, int batch_tokens, int sequences, bool stateful = false)
      : stateful_(stateful), cells_(static_cast<std::size_t>(cells)),
        batch_tokens_(static_cast<std::size_t>(batch_tokens)), sequences_(sequences) {}

  /// What the most probable token behind `context` is; a letter unless a test says otherwise.
  std::function<Token(std::span<const Token> context)> answer = letter;
  /// Milliseconds that a batch takes, and the time that has passed so.
  std::function<double(std::span<const BatchToken> batch)> cost = [](auto) { return 0; };
  double now = 0;
  /// What the next calls of decode return; ok when empty.
  std::deque<DecodeStatus> statuses;
  /// Every batch that decode was given, those that did not succeed included.
  std::vector<std::vector<BatchToken>> batches;
  /// Tokens of the batches that succeeded.
  std::size_t computed = 0;
  std::vector<SamplingOptions> samplers; // that were made, in order
  double cell_time = 0.001;              // of a token that looks at a cell
  double block_time = 0.5;               // of copying a block, either way
  int exported = 0;                      // blocks
  int imported = 0;
  bool refuses_cells = false; // that come back
  bool refuses_states = false;

  /// A cost: every token looks at all cells in use.
  double by_cells(std::span<const BatchToken> batch) const {
    return 1 + static_cast<double>(batch.size()) *
                   (0.1 + cell_time * static_cast<double>(cells_used()));
  }

  static Token letter(std::span<const Token> context) {
    return static_cast<Token>('a' + hash(context) % 26);
  }

  DecodeStatus decode(std::span<const BatchToken> batch) override {
    require(!batch.empty(), "an empty batch");
    require(batch.size() <= batch_tokens_, "a batch that is too large");
    batches.emplace_back(batch.begin(), batch.end());
    now += cost(batch);
    contexts_.clear();
    DecodeStatus status = DecodeStatus::ok;
    if (!statuses.empty()) {
      status = statuses.front();
      statuses.pop_front();
    }
    if (cells_used() + batch.size() > cells_)
      status = DecodeStatus::no_space;
    if (status == DecodeStatus::no_space)
      return status;
    // A batch that fails half way leaves its first half behind.
    const std::size_t count = status == DecodeStatus::ok ? batch.size() : batch.size() / 2;
    for (std::size_t i = 0; i < count; ++i)
      compute(static_cast<int>(i), batch[i]);
    if (status == DecodeStatus::ok)
      computed += batch.size();
    else
      contexts_.clear();
    return status;
  }

  DecodeStatus decode_image(SequenceId sequence, int begin, const ImageInput& image) override {
    require(!image.embedding().empty(), "an image without its embedding");
    require(kv::begins_image(image.tokens().front()), "an image that does not begin");
    std::vector<BatchToken> batch;
    for (const Token token : image.tokens())
      batch.push_back({token, begin + static_cast<int>(batch.size()), sequence, false});
    const std::size_t most = std::exchange(batch_tokens_, batch.size());
    const DecodeStatus status = decode(batch);
    batch_tokens_ = most;
    return status;
  }

  void truncate(SequenceId sequence, int length) override {
    require(!stateful_, "a sequence with a state to shorten");
    if (length < this->length(sequence))
      remove(sequence, length, this->length(sequence));
  }

  std::span<const float> logits(int index) override {
    const std::uint64_t value = hash(contexts_.at(index));
    logits_ = {static_cast<float>(value & 0xFFFF), static_cast<float>(value >> 48)};
    return logits_;
  }

  std::unique_ptr<Sampler> make_sampler(const SamplingOptions& options) override {
    samplers.push_back(options);
    const auto nonce = static_cast<std::uint32_t>(samplers.size()); // every answer draws its own
    return std::make_unique<FakeSampler>(*this, options, options.has_seed ? options.seed : nonce);
  }

  bool ends_turn(Token token) const override { return token == kEndOfTurn; }
  bool is_control(Token token) const override { return token >= kEndOfTurn && token <= kHidden; }
  std::string piece(Token token) const override {
    if (token >= 0 && token < 256)
      return {static_cast<char>(token)};
    return token == kToolCall ? "<tool_call>" : "<hidden>";
  }

  void share(SequenceId from, SequenceId to, int begin, int end) override {
    require(from != to && begin < end, "a share of nothing");
    if (stateful_)
      states_.share(from, to, begin, end);
    else
      memory_.share(from, to, begin, end);
    for (int position = begin; position < end; ++position)
      tokens_[to][position] = tokens_[from].at(position);
  }

  void remove(SequenceId sequence, int begin, int end) override {
    require(!stateful_, "a part of a sequence with a state to remove");
    memory_.remove(sequence, begin, end);
    auto& row = tokens_[sequence];
    row.erase(row.lower_bound(begin), row.lower_bound(end));
  }

  void clear(SequenceId sequence) override {
    auto& row = tokens_[sequence];
    if (stateful_)
      states_.clear(sequence);
    else if (!row.empty()) // it need not begin at its start
      memory_.remove(sequence, row.begin()->first, row.rbegin()->first + 1);
    row.clear();
  }

  std::vector<std::byte> save(SequenceId sequence) override { return states_.save(sequence); }

  bool restore(SequenceId sequence, std::span<const std::byte> state, int length) override {
    require(length == this->length(sequence), "a state for another length");
    if (refuses_states)
      return false;
    return states_.restore(sequence, state, length);
  }

  /// Cells and, behind them, the tokens that they are taken for.
  bool export_cells(SequenceId sequence, int begin, int end,
                    std::vector<std::byte>& bytes) override {
    require(begin < end, "cells to export that cannot be");
    if (stateful_)
      states_.export_cells(sequence, begin, end, bytes);
    else
      memory_.export_cells(sequence, begin, end, bytes);
    now += block_time;
    ++exported;
    for (int position = begin; position < end; ++position) {
      const auto token = std::as_bytes(std::span(&tokens_[sequence].at(position), 1));
      bytes.insert(bytes.end(), token.begin(), token.end());
    }
    return true;
  }

  bool import_cells(SequenceId sequence, int begin, int end, int first, int last,
                    std::span<const std::byte> bytes, std::span<const Token> expected) override {
    const auto count = static_cast<std::size_t>(last - first);
    require(cells_used() + count <= cells_, "more cells to import than there is room");
    require(sequence >= 0 && sequence < sequences_, "a sequence it does not have");
    if (refuses_cells || bytes.size() != count * (sizeof(std::uint64_t) + sizeof(Token)))
      return false;
    const auto cells = bytes.first(count * sizeof(std::uint64_t));
    if (stateful_)
      states_.import_cells(sequence, begin, end, first, last, cells, expected);
    else
      memory_.import_cells(sequence, begin, end, first, last, cells, expected);
    now += block_time;
    ++imported;
    const auto tokens = bytes.subspan(count * sizeof(std::uint64_t));
    for (int position = begin; position < end; ++position)
      std::memcpy(&tokens_[sequence][position],
                  &tokens[static_cast<std::size_t>(position - first) * sizeof(Token)],
                  sizeof(Token));
    return true;
  }

  std::size_t cells_used() const { return stateful_ ? states_.used() : memory_.used(); }

  /// Sequences that hold any cell.
  int sequences_used() const {
    return static_cast<int>(
        std::ranges::count_if(tokens_, [](const auto& entry) { return !entry.second.empty(); }));
  }

 private:
  class FakeSampler : public Sampler {
   public:
    FakeSampler(FakeDecoder& decoder, const SamplingOptions& options, std::uint32_t seed)
        : decoder_(decoder), greedy_(options.temperature <= 0), seed_(seed) {}
    Token sample(int index) override {
      const auto& context = decoder_.contexts_.at(index); // throws where no output was asked for
      if (greedy_)
        return decoder_.answer(context);
      const std::vector<Token> draw{static_cast<Token>(hash(context) >> 33),
                                    static_cast<Token>(seed_), ++draws_};
      return letter(draw);
    }

   private:
    FakeDecoder& decoder_;
    bool greedy_;
    std::uint32_t seed_;
    Token draws_ = 0;
  };

  static void require(bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("the decoder was given ") + what);
  }

  static std::uint64_t hash(std::span<const Token> tokens) {
    std::uint64_t value = 0xCBF29CE484222325u;
    for (const Token token : tokens) {
      value = (value ^ static_cast<std::uint32_t>(token)) * 0x100000001B3u;
      value ^= value >> 29;
    }
    return value;
  }

  int length(SequenceId sequence) { return static_cast<int>(tokens_[sequence].size()); }

  void compute(int index, const BatchToken& token) {
    require(token.sequence >= 0 && token.sequence < sequences_, "a sequence it does not have");
    require(token.position == length(token.sequence), "a position out of order");
    if (stateful_)
      states_.compute(token.sequence, std::span(&token.token, 1));
    else
      memory_.compute(token.sequence, std::span(&token.token, 1));
    auto& row = tokens_[token.sequence];
    row[token.position] = token.token;
    if (!token.output)
      return;
    std::vector<Token> context;
    for (const auto& [position, value] : row)
      context.push_back(value);
    require(stateful_ ? states_.holds(token.sequence, context)
                      : memory_.holds(token.sequence, context),
            "a sequence with another's cells or state");
    contexts_[index] = std::move(context);
  }

  bool stateful_;
  std::size_t cells_;
  std::size_t batch_tokens_;
  int sequences_;
  kv::CellModel memory_;
  kv::StateModel states_;                             // instead, for a stateful one
  std::map<SequenceId, std::map<int, Token>> tokens_; // by position
  std::map<int, std::vector<Token>> contexts_;        // of the last batch's outputs, by index
  std::vector<float> logits_;
};

} // namespace anyclaude::engine
