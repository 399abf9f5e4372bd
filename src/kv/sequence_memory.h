#pragma once

#include <cstdint>

namespace anyclaude::kv {

using Token = std::int32_t;
using SequenceId = std::int32_t;

/// The cells of a model's KV memory, as sequences see them: a cell holds one token's keys and
/// values and may belong to several sequences at once. The engine implements this over libllama;
/// tests implement it over plain arrays. Positions are tokens, ranges are [begin, end).
class SequenceMemory {
 public:
  virtual ~SequenceMemory() = default;

  /// Makes the cells of `from` in the range belong to `to` as well. Copies no data.
  virtual void share(SequenceId from, SequenceId to, int begin, int end) = 0;

  /// Takes the range away from a sequence; a cell that belongs to none is free.
  virtual void remove(SequenceId sequence, int begin, int end) = 0;
};

} // namespace anyclaude::kv
