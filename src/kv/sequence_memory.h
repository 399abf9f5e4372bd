#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace anyclaude::kv {

using Token = std::int32_t;
using SequenceId = std::int32_t;

/// A state that was saved, see StateMemory; never changed, so that several can hold it.
using SavedState = std::shared_ptr<const std::vector<std::byte>>;

/// The cells of a model's KV memory, as sequences see them: a cell holds one token's keys and
/// values and may belong to several sequences at once. The engine implements this over libllama;
/// tests implement it over plain arrays. Places are counted in tokens, ranges are [begin, end) and
/// never end inside an image (see image_tokens.h).
class SequenceMemory {
 public:
  virtual ~SequenceMemory() = default;

  /// Makes the cells of `from` in the range belong to `to` as well. Copies no data.
  virtual void share(SequenceId from, SequenceId to, int begin, int end) = 0;

  /// Takes the range away from a sequence; a cell that belongs to none is free.
  virtual void remove(SequenceId sequence, int begin, int end) = 0;
};

/// A memory of which a part is not made of cells that can be shared: the state of recurrent layers,
/// or a sliding window that has moved on. That part, the state, exists only where a sequence ends
/// now. share() leaves the state of `to` undefined until it is restored, and a range of a sequence
/// cannot be removed, only all of it.
class StateMemory : public SequenceMemory {
 public:
  /// Takes all cells and the state away from a sequence.
  virtual void clear(SequenceId sequence) = 0;

  /// The state of a sequence where it ends now; empty when it cannot be had.
  virtual std::vector<std::byte> save(SequenceId sequence) = 0;

  /// Gives a sequence the state that one of the same first `length` tokens had when it ended there.
  /// False when the memory does not take it; the sequence is then of no use but to be cleared.
  virtual bool restore(SequenceId sequence, std::span<const std::byte> state, int length) = 0;
};

/// A memory whose cells can leave it as bytes and come back: what was computed once can be kept
/// elsewhere. Only for cells of full attention: a state beside them is left out, and taken away
/// from a sequence that cells come back to. The memory may be without such cells; the bytes are
/// then none.
class BlockMemory {
 public:
  virtual ~BlockMemory() = default;

  /// Writes the cells of a sequence's range to `bytes`, whose room is used again. False when the
  /// memory did not give exactly these; `bytes` is then of no use. The sequence is not changed.
  virtual bool export_cells(SequenceId sequence, int begin, int end,
                            std::vector<std::byte>& bytes) = 0;

  /// Gives the range [begin, end), behind everything that the sequence has, the cells that were
  /// exported as [first, last), a range around it. While it runs it needs last - first free cells.
  /// False when the memory does not take them or finds other positions in them than it should;
  /// nothing is changed then. Bytes of another model of the same shape are taken without a word.
  /// `tokens` are those of [first, last): images among them have positions of their own.
  virtual bool import_cells(SequenceId sequence, int begin, int end, int first, int last,
                            std::span<const std::byte> bytes, std::span<const Token> tokens) = 0;
};

} // namespace anyclaude::kv
