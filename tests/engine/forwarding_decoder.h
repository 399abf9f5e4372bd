#pragma once

#include "engine/decoder.h"

namespace anyclaude::engine {

/// Passes everything on to another decoder; for tests that change a part of it.
class ForwardingDecoder : public Decoder {
 public:
  explicit ForwardingDecoder(Decoder& decoder) : decoder_(decoder) {}

  DecodeStatus decode(std::span<const BatchToken> batch) override { return decoder_.decode(batch); }
  DecodeStatus decode_image(SequenceId sequence, int begin, const ImageInput& image) override {
    return decoder_.decode_image(sequence, begin, image);
  }
  void truncate(SequenceId sequence, int length) override { decoder_.truncate(sequence, length); }
  std::span<const float> logits(int index) override { return decoder_.logits(index); }
  std::unique_ptr<Sampler> make_sampler(const SamplingOptions& options) override {
    return decoder_.make_sampler(options);
  }
  bool ends_turn(Token token) const override { return decoder_.ends_turn(token); }
  bool is_control(Token token) const override { return decoder_.is_control(token); }
  std::string piece(Token token) const override { return decoder_.piece(token); }
  void share(SequenceId from, SequenceId to, int begin, int end) override {
    decoder_.share(from, to, begin, end);
  }
  void remove(SequenceId sequence, int begin, int end) override {
    decoder_.remove(sequence, begin, end);
  }
  void clear(SequenceId sequence) override { decoder_.clear(sequence); }
  std::vector<std::byte> save(SequenceId sequence) override { return decoder_.save(sequence); }
  bool restore(SequenceId sequence, std::span<const std::byte> state, int length) override {
    return decoder_.restore(sequence, state, length);
  }
  bool export_cells(SequenceId sequence, int begin, int end,
                    std::vector<std::byte>& bytes) override {
    return decoder_.export_cells(sequence, begin, end, bytes);
  }
  bool import_cells(SequenceId sequence, int begin, int end, int first, int last,
                    std::span<const std::byte> bytes, std::span<const Token> tokens) override {
    return decoder_.import_cells(sequence, begin, end, first, last, bytes, tokens);
  }

 private:
  Decoder& decoder_;
};

} // namespace anyclaude::engine
