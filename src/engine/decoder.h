#pragma once

#include "engine/image_input.h"
#include "engine/job.h"
#include "kv/sequence_memory.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace anyclaude::engine {

struct BatchToken {
  Token token = 0;  // of text, or one of an image's: a batch has either
  int position = 0; // tokens from the start of its sequence
  SequenceId sequence = 0;
  bool output = false; // logits are wanted
};

enum class DecodeStatus {
  ok,
  no_space, // the memory has no cells for the batch; nothing was computed
  aborted,  // interrupted by shutdown
  failed,
};

/// Draws tokens for one answer. Bound to the decoder that made it.
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// Draws from the logits of the batch's token `index`, which had `output` set.
  virtual Token sample(int index) = 0;
};

/// A model with its memory, as the scheduler sees it: libllama in life, a few arrays in a
/// simulation. Used by one thread.
class Decoder : public kv::StateMemory, public kv::BlockMemory {
 public:
  /// Computes the batch, of text; each sequence's tokens stand in it in order of position.
  virtual DecodeStatus decode(std::span<const BatchToken> batch) = 0;

  /// Computes an image whose embedding is ready, behind the `begin` tokens of a sequence. There are
  /// no logits behind it.
  virtual DecodeStatus decode_image(SequenceId sequence, int begin, const ImageInput& image) = 0;

  /// Cells that the attention of the last batch walked over: the pool up to its highest used cell,
  /// rounded up as the model's memory does it; 0 where that is not known.
  virtual std::size_t span() const { return 0; }

  /// Removes what a failed batch may have left behind `length` tokens of a sequence. Not for a
  /// model with a state, which cannot go back: there, the sequence must be cleared.
  virtual void truncate(SequenceId sequence, int length) = 0;

  /// Logits of the last batch's token `index`; valid until the next decode.
  virtual std::span<const float> logits(int index) = 0;

  virtual std::unique_ptr<Sampler> make_sampler(const SamplingOptions& options) = 0;

  virtual bool ends_turn(Token token) const = 0;
  virtual bool is_control(Token token) const = 0;

  /// The bytes a token stands for; may be part of a UTF-8 sequence.
  virtual std::string piece(Token token) const = 0;
};

} // namespace anyclaude::engine
