#include "engine/llama_decoder.h"

#include "engine/llama_sampler.h"

#include <ggml.h>
#include <llama.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <thread>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr std::size_t kAxes = 4; // of a position with M-RoPE

/// Threads beyond the physical cores slow ggml's matrix kernels down: they wait at barriers.
int physical_cores() {
  const int logical = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int smt = 0;
  if (std::ifstream("/sys/devices/system/cpu/smt/active") >> smt && smt == 1)
    return std::max(1, logical / 2);
  return logical;
}

/// How libllama (0.7) writes a sequence: a magic number and the sequence's, which are the same for
/// all of ours that pass; then the number of streams, that of cells, and for each cell its position
/// in front. The state, if the model has one, stands behind all cells. What is written is looked
/// at, so that another layout is refused and not misread.
constexpr std::size_t kBlobHead = 8;
constexpr std::size_t kBlobFixed = kBlobHead + 3 * sizeof(std::uint32_t);

bool blob_holds(std::span<const std::byte> blob, int cells, int position) {
  std::array<std::uint32_t, 3> facts{}; // streams, cells, position of the first one
  if (blob.size() < kBlobFixed)
    return false;
  std::memcpy(facts.data(), blob.data() + kBlobHead, sizeof facts);
  return facts[0] == 1 && std::cmp_equal(facts[1], cells) && std::cmp_equal(facts[2], position);
}

} // namespace

struct LlamaDecoder::Batch {
  explicit Batch(int tokens) : batch(llama_batch_init(tokens, 0, 1)) {}
  ~Batch() { llama_batch_free(batch); }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  llama_batch batch;
};

LlamaDecoder::LlamaDecoder(const Model& model, const ContextOptions& options)
    : model_(model), batch_(std::make_unique<Batch>(options.batch_tokens)) {}

std::expected<std::unique_ptr<LlamaDecoder>, std::string>
LlamaDecoder::create(const Model& model, const ContextOptions& options) {
  std::unique_ptr<LlamaDecoder> decoder(new LlamaDecoder(model, options));
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(options.context_tokens);
  // An image is given to libllama at once, so that it takes all of it or nothing. It divides it
  // where it may; what sees itself must be one piece.
  decoder->image_tokens_ = options.image_tokens;
  params.n_batch = static_cast<std::uint32_t>(std::max(options.batch_tokens, options.image_tokens));
  params.n_ubatch =
      options.undivided_images ? params.n_batch : static_cast<std::uint32_t>(options.batch_tokens);
  const int sequences = options.sequences + (options.moves_blocks ? 1 : 0);
  decoder->passing_ = options.moves_blocks ? options.sequences : -1;
  decoder->positions_.resize(static_cast<std::size_t>(sequences));
  params.n_seq_max = static_cast<std::uint32_t>(sequences);
  // libllama asserts that every sequence could have an output.
  params.n_outputs_max = static_cast<std::uint32_t>(std::max(options.max_outputs, sequences));
  params.n_threads = options.threads > 0 ? options.threads : physical_cores();
  params.n_threads_batch = params.n_threads;
  params.swa_full = false;  // windows only; what is older could not be relied on anyway
  params.kv_unified = true; // sequences share cells; the other layout aborts on a partial share
  params.no_perf = true;
  if (options.kv_type == "q8_0")
    params.type_k = params.type_v = GGML_TYPE_Q8_0;
  else if (options.kv_type != "f16")
    return std::unexpected("unknown KV type '" + options.kv_type + "': use f16 or q8_0");
  params.abort_callback = [](void* self) {
    return static_cast<LlamaDecoder*>(self)->interrupted_.load(std::memory_order_relaxed);
  };
  params.abort_callback_data = decoder.get();
  if (options.own_attention && !model.uses_gpu())
    decoder->attention_ = CpuAttention::create(params.n_threads);
  params.cb_eval = see;
  params.cb_eval_user_data = decoder.get();

  decoder->context_ = llama_init_from_model(model.handle(), params);
  if (!decoder->context_)
    return std::unexpected("cannot make a context of " + std::to_string(options.context_tokens) +
                           " tokens: not enough memory; start with a smaller --ctx");
  decoder->memory_ = llama_get_memory(decoder->context_);
  if (options.moves_blocks && model.facts().memory != MemoryKind::full_attention)
    decoder->no_state_ = decoder->save(decoder->passing_);
  return decoder;
}

LlamaDecoder::~LlamaDecoder() {
  if (context_)
    llama_free(context_);
}

int LlamaDecoder::context_tokens() const {
  return static_cast<int>(llama_n_ctx_seq(context_));
}

std::uint64_t LlamaDecoder::state_bytes(const Model& model, const std::string& kv_type) {
  ContextOptions options;
  options.context_tokens = 256;
  options.batch_tokens = 32;
  options.max_outputs = 1;
  options.sequences = 1;
  options.threads = 1;
  options.kv_type = kv_type;
  const auto decoder = create(model, options);
  const BatchToken token{0, 0, 0, true};
  if (!decoder || (*decoder)->decode({&token, 1}) != DecodeStatus::ok)
    return 0;
  // A recurrent state is of a fixed size; a window grows with its tokens.
  const auto window = static_cast<std::uint64_t>(std::max(1, llama_model_n_swa(model.handle())));
  return (*decoder)->save(0).size() * window;
}

/// libllama does not tell which cells it uses, but the graph that it is about to compute does: the
/// keys that an attention takes are those of all cells up to the highest used one. Nothing is
/// wanted of any node's result, so the graph is computed as if nobody looked.
bool LlamaDecoder::see(ggml_tensor* node, bool ask, void* self) {
  auto& decoder = *static_cast<LlamaDecoder*>(self);
  std::int64_t cells = 0;
  // A graph that is computed again has our own attention in it already.
  if (node->op == GGML_OP_FLASH_ATTN_EXT ||
      (node->op == GGML_OP_CUSTOM && decoder.attention_ && node->src[1] != nullptr))
    cells = node->src[1]->ne[1];
  else if (node->op == GGML_OP_SOFT_MAX && node->src[1] != nullptr) // with a mask
    cells = node->src[0]->ne[0];
  decoder.span_ = std::max(decoder.span_, static_cast<std::size_t>(cells));
  return decoder.attention_ && CpuAttention::on_node(node, ask, decoder.attention_.get());
}

DecodeStatus LlamaDecoder::decode(std::span<const BatchToken> tokens) {
  llama_batch& batch = batch_->batch;
  batch.n_tokens = 0;
  span_ = 0;
  for (const BatchToken& token : tokens) {
    if (kv::is_image(token.token))
      throw std::logic_error("a batch of text with a token of an image");
    const auto i = batch.n_tokens++;
    batch.token[i] = token.token;
    batch.pos[i] = positions_[static_cast<std::size_t>(token.sequence)].at(token.position);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = token.sequence;
    batch.logits[i] = token.output ? 1 : 0;
  }
  return compute(batch);
}

DecodeStatus LlamaDecoder::compute(const llama_batch& batch) {
  switch (llama_decode(context_, batch)) {
  case 0:
    return DecodeStatus::ok;
  case 1:
    return DecodeStatus::no_space;
  case 2:
    return DecodeStatus::aborted;
  default:
    return DecodeStatus::failed;
  }
}

/// libllama takes embeddings instead of tokens. With M-RoPE it wants four positions of each, all of
/// the first kind in front.
DecodeStatus LlamaDecoder::decode_image(SequenceId sequence, int begin, const ImageInput& image) {
  ImagePositions& positions = positions_[static_cast<std::size_t>(sequence)];
  const int first = positions.at(begin);
  const std::size_t size = image.tokens().size();
  const auto embedding = image.embedding();
  if (std::cmp_greater(size, image_tokens_))
    return DecodeStatus::failed; // libllama would abort
  std::vector<llama_pos> places;
  places.reserve(size * kAxes);
  if (image.places().empty())
    for (std::size_t i = 0; i < size; ++i)
      places.push_back(first + static_cast<llama_pos>(i));
  else
    for (const auto axis : {&ImagePlace::t, &ImagePlace::y, &ImagePlace::x})
      for (const ImagePlace& place : image.places())
        places.push_back(first + place.*axis);
  places.resize(std::max(size, image.places().size() * kAxes)); // the last axis is of no use
  std::vector<std::int32_t> counts(size, 1);
  std::vector<llama_seq_id*> sequences(size, &sequence);
  std::vector<std::int8_t> outputs(size, 0);
  llama_batch batch{};
  batch.n_tokens = static_cast<std::int32_t>(size);
  batch.embd = const_cast<float*>(embedding.data()); // it is only read
  batch.pos = places.data();
  batch.n_seq_id = counts.data();
  batch.seq_id = sequences.data();
  batch.logits = outputs.data();
  span_ = 0;
  llama_set_causal_attn(context_, image.is_causal());
  const DecodeStatus status = compute(batch);
  llama_set_causal_attn(context_, true);
  if (status == DecodeStatus::ok)
    positions.add(begin, image.tokens());
  return status;
}

void LlamaDecoder::truncate(SequenceId sequence, int length) {
  remove(sequence, length, std::numeric_limits<int>::max());
}

std::span<const float> LlamaDecoder::logits(int index) {
  return {llama_get_logits_ith(context_, index), static_cast<std::size_t>(model_.vocab_size())};
}

std::unique_ptr<Sampler> LlamaDecoder::make_sampler(const SamplingOptions& options) {
  if (options.constraint && !token_bytes_)
    token_bytes_ = std::make_unique<const TokenBytes>(model_.vocab());
  return make_llama_sampler(context_, options, token_bytes_.get());
}

void LlamaDecoder::share(SequenceId from, SequenceId to, int begin, int end) {
  const ImagePositions& positions = positions_[static_cast<std::size_t>(from)];
  llama_memory_seq_cp(memory_, from, to, positions.at(begin), positions.at(end));
  positions_[static_cast<std::size_t>(to)].copy(positions, begin, end);
}

void LlamaDecoder::remove(SequenceId sequence, int begin, int end) {
  ImagePositions& positions = positions_[static_cast<std::size_t>(sequence)];
  const bool to_the_end = end == std::numeric_limits<int>::max();
  llama_memory_seq_rm(memory_, sequence, positions.at(begin), to_the_end ? -1 : positions.at(end));
  positions.forget(begin, end);
}

void LlamaDecoder::clear(SequenceId sequence) {
  llama_memory_seq_rm(memory_, sequence, -1, -1);
  positions_[static_cast<std::size_t>(sequence)] = {};
}

std::vector<std::byte> LlamaDecoder::save(SequenceId sequence) {
  constexpr llama_state_seq_flags kFlags = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
  std::vector<std::byte> state(llama_state_seq_get_size_ext(context_, sequence, kFlags));
  auto* data = reinterpret_cast<std::uint8_t*>(state.data());
  if (llama_state_seq_get_data_ext(context_, data, state.size(), sequence, kFlags) != state.size())
    return {};
  return state;
}

/// libllama checks the shapes of a state and not its place, so the positions are looked at behind
/// it. Of a window: the last one, and that there is no hole at its beginning. A recurrent state has
/// one position; of a mixture the first one is the later and the last one the earlier of both
/// parts, so both have to be the end.
bool LlamaDecoder::restore(SequenceId sequence, std::span<const std::byte> state, int length) {
  constexpr llama_state_seq_flags kFlags = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
  const auto* data = reinterpret_cast<const std::uint8_t*>(state.data());
  if (llama_state_seq_set_data_ext(context_, data, state.size(), sequence, kFlags) != state.size())
    return false;
  const int first = llama_memory_seq_pos_min(memory_, sequence);
  const int last = llama_memory_seq_pos_max(memory_, sequence);
  const ImagePositions& positions = positions_[static_cast<std::size_t>(sequence)];
  const bool begins = model_.facts().memory == MemoryKind::sliding_window
                          ? first <= std::max(0, positions.at(length) - model_.facts().window)
                          : ends_at(positions, length, first);
  return ends_at(positions, length, last) && first >= 0 && begins;
}

/// Whether a sequence of so many tokens may have this last position. Behind an image's first one it
/// depends on the kind of positions that the model has.
bool LlamaDecoder::ends_at(const ImagePositions& positions, int length, int last) {
  return last >= positions.at(length - 1) && last < positions.at(length);
}

/// Whether cells pass that are these of a sequence whose positions begin `offset` further on.
bool LlamaDecoder::passing_holds(const ImagePositions& positions, int begin, int end,
                                 int offset) const {
  return llama_memory_seq_pos_min(memory_, passing_) == positions.at(begin) + offset &&
         ends_at(positions, end, llama_memory_seq_pos_max(memory_, passing_) - offset);
}

bool LlamaDecoder::export_passing(std::vector<std::byte>& bytes) const {
  bytes.resize(llama_state_seq_get_size_ext(context_, passing_, 0));
  auto* data = reinterpret_cast<std::uint8_t*>(bytes.data());
  const std::size_t written =
      llama_state_seq_get_data_ext(context_, data, bytes.size(), passing_, 0);
  return written > 0 && written == bytes.size();
}

/// Of a model with a state: writes the cells alone, with the state of an empty sequence behind
/// them. The positions that libllama tells are those of the state, so those in the bytes are looked
/// at.
bool LlamaDecoder::export_passing_cells(int cells, int position, std::vector<std::byte>& bytes) {
  // A recurrent state came along whatever the range, and need not be written. A window stays: of
  // cells that are in it too.
  constexpr llama_state_seq_flags kFlags = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
  llama_state_seq_set_data_ext(context_, reinterpret_cast<const std::uint8_t*>(no_state_.data()),
                               no_state_.size(), passing_, kFlags);
  const std::vector<std::byte> state = save(passing_);
  if (state.size() < kBlobHead || !export_passing(bytes) || bytes.size() < state.size())
    return false;
  const auto body = std::span(state).subspan(kBlobHead);
  if (!std::ranges::equal(std::span(bytes).last(body.size()), body))
    return false;
  bytes.resize(bytes.size() - body.size());
  const auto nothing = std::span(no_state_).subspan(kBlobHead);
  bytes.insert(bytes.end(), nothing.begin(), nothing.end());
  return blob_holds(bytes, cells, position);
}

/// libllama writes sequences, not ranges, so the range becomes a sequence for the moment. That sets
/// bits on its cells and copies nothing.
bool LlamaDecoder::export_cells(SequenceId sequence, int begin, int end,
                                std::vector<std::byte>& bytes) {
  if (passing_ < 0)
    return false;
  if (model_.facts().memory == MemoryKind::recurrent) {
    bytes.clear();
    return true;
  }
  share(sequence, passing_, begin, end);
  const ImagePositions& positions = positions_[static_cast<std::size_t>(sequence)];
  const bool done = no_state_.empty()
                        ? passing_holds(positions, begin, end, 0) && export_passing(bytes)
                        : export_passing_cells(end - begin, positions.at(begin), bytes);
  clear(passing_);
  return done;
}

/// Reading a state clears the sequence that it is read into, so each block is read into one of its
/// own and shared from there. libllama checks shapes and not positions, so they are looked at: all
/// of them where the sequence has what stands in front, and without that how far they reach.
bool LlamaDecoder::import_cells(SequenceId sequence, int begin, int end, int first, int last,
                                std::span<const std::byte> bytes, std::span<const Token> tokens) {
  if (passing_ < 0)
    return false;
  ImagePositions& mine = positions_[static_cast<std::size_t>(sequence)];
  ImagePositions positions = mine;
  positions.forget(first, std::numeric_limits<int>::max());
  positions.add(first, tokens);
  if (model_.facts().memory == MemoryKind::recurrent) {
    if (bytes.empty())
      mine.copy(positions, begin, end);
    return bytes.empty();
  }
  if (!no_state_.empty() && !blob_holds(bytes, last - first, positions.at(first)))
    return false;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  bool taken =
      llama_state_seq_set_data_ext(context_, data, bytes.size(), passing_, 0) == bytes.size();
  int offset = 0;
  if (taken && no_state_.empty()) { // else the positions that libllama tells are those of the state
    const bool alone = first > 0 && llama_memory_seq_pos_max(memory_, sequence) < 0;
    offset = alone ? llama_memory_seq_pos_min(memory_, passing_) - positions.at(first) : 0;
    taken = passing_holds(positions, first, last, offset);
  }
  if (taken) {
    llama_memory_seq_cp(memory_, passing_, sequence, positions.at(begin) + offset,
                        positions.at(end) + offset);
    mine.copy(positions, begin, end);
  }
  clear(passing_);
  return taken;
}

} // namespace anyclaude::engine
