#include "engine/image_encoder.h"

#include "engine/image_header.h"
#include "engine/library_log.h"
#include "engine/model_fingerprint.h"
#include "engine/projector_info.h"
#include "text/base64.h"

#include <blake3.h>
#include <llama.h>
#include <mtmd-helper.h>
#include <mtmd.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <format>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr const char* kKeyContext = "anyclaude image 1";

using MtmdLog = LibraryLog<mtmd_helper_log_set>;

struct Free {
  void operator()(mtmd_context* context) const { mtmd_free(context); }
  void operator()(mtmd_bitmap* bitmap) const { mtmd_bitmap_free(bitmap); }
  void operator()(mtmd_input_chunks* chunks) const { mtmd_input_chunks_free(chunks); }
};
using Context = std::unique_ptr<mtmd_context, Free>;
using Bitmap = std::unique_ptr<mtmd_bitmap, Free>;
using Chunks = std::unique_ptr<mtmd_input_chunks, Free>;

bool is_image(const mtmd_input_chunk* chunk) {
  return mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_IMAGE;
}

/// An image alone, cut and scaled as the projector wants it. Null where libmtmd refuses.
Chunks prepare(const mtmd_context* context, const mtmd_bitmap* bitmap) {
  Chunks chunks(mtmd_input_chunks_init());
  const mtmd_input_part part{.text = nullptr, .bitmap = bitmap};
  const mtmd_input_part* const parts[] = {&part};
  if (mtmd_tokenize_from_parts(context, chunks.get(), parts, 1, false) != 0)
    return nullptr;
  return chunks;
}

std::vector<const mtmd_input_chunk*> list(const mtmd_input_chunks* chunks) {
  std::vector<const mtmd_input_chunk*> all;
  for (std::size_t i = 0; i < mtmd_input_chunks_size(chunks); ++i)
    all.push_back(mtmd_input_chunks_get(chunks, i));
  return all;
}

/// Where an image's tokens stand, counted from its first position. Nothing where that depends on
/// more than where the image begins.
std::optional<std::vector<ImagePlace>> places_of(const mtmd_input_chunk* chunk) {
  constexpr llama_pos kElsewhere = 1000;
  const mtmd_image_tokens* tokens = mtmd_input_chunk_get_tokens_image(chunk);
  std::vector<ImagePlace> places;
  for (std::size_t i = 0; i < mtmd_input_chunk_get_n_tokens(chunk); ++i) {
    const auto here = mtmd_image_tokens_get_decoder_pos(tokens, 0, i);
    const auto there = mtmd_image_tokens_get_decoder_pos(tokens, kElsewhere, i);
    if (there.t != here.t + kElsewhere || there.x != here.x + kElsewhere ||
        there.y != here.y + kElsewhere || here.z != 0 || there.z != 0)
      return std::nullopt;
    places.push_back({static_cast<std::int32_t>(here.t), static_cast<std::int32_t>(here.x),
                      static_cast<std::int32_t>(here.y)});
  }
  return places;
}

/// A span of an image's tokens as it is remembered.
struct Span {
  std::size_t begin = 0; // among the prompt's tokens for the image
  std::vector<Token> tokens;
  std::vector<ImagePlace> places;
  bool is_causal = true;
};

struct Known {
  std::vector<Token> tokens; // those of text as well
  std::vector<Span> spans;
};

/// One image's way through the encoder; shared by all requests that have it.
struct Encoding {
  std::shared_ptr<const std::string> base64;
  Chunks chunks;                              // null until they are needed
  std::vector<std::vector<float>> embeddings; // by span; constant once ready
  ImageInput::State state = ImageInput::State::coming;
  bool is_wanted = false;
};

class MtmdEncoder : public ImageEncoder {
 public:
  MtmdEncoder(const Model& model, Context context, std::string identity)
      : width_(static_cast<std::size_t>(llama_model_n_embd_inp(model.handle()))),
        context_(std::move(context)), identity_(std::move(identity)) {
    measure();
    thread_ = std::thread([this] { run(); });
  }

  ~MtmdEncoder() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  std::expected<ImagePrompt, std::string> read(std::shared_ptr<const std::string> base64) override;

  int most_tokens() const override { return most_tokens_; }
  bool undivided() const override { return undivided_; }

  ImageInput::State want(const std::shared_ptr<Encoding>& encoding) {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(encoding->is_wanted, true)) {
      queue_.push_back(encoding);
      changed_.notify_all();
    }
    return encoding->state;
  }

  void wait(const Encoding& encoding, std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, at_most, [&] { return encoding.state != ImageInput::State::coming; });
  }

 private:
  class Input;
  using Key = kv::ImageHash;

  void measure();
  Key key_of(std::string_view base64) const;
  std::expected<Chunks, std::string> decode(std::string_view base64) const;
  std::expected<Known, std::string> look_at(const Key& key, const mtmd_input_chunks* chunks) const;
  void run();
  bool encode(Encoding& encoding);
  void keep(std::shared_ptr<Encoding> encoding);

  std::size_t width_; // numbers that stand for a token
  Context context_;
  std::string identity_; // of the projector
  int most_tokens_ = 0;
  bool undivided_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::pair<Key, std::shared_ptr<const Known>>> known_; // the one read last in front
  std::map<Key, std::list<std::pair<Key, std::shared_ptr<const Known>>>::iterator> by_key_;
  std::map<Key, std::weak_ptr<Encoding>> encodings_;
  std::list<std::shared_ptr<Encoding>> kept_; // the one made last in front
  std::size_t kept_bytes_ = 0;
  std::deque<std::shared_ptr<Encoding>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

/// A span of an image that some request has.
class MtmdEncoder::Input : public ImageInput {
 public:
  Input(MtmdEncoder& owner, std::shared_ptr<Encoding> encoding, const Span& span,
        std::size_t number)
      : ImageInput(span.tokens, span.places, span.is_causal), owner_(owner),
        encoding_(std::move(encoding)), number_(number) {}

  State want() override { return owner_.want(encoding_); }
  void wait(std::chrono::milliseconds at_most) override { owner_.wait(*encoding_, at_most); }
  std::span<const float> embedding() const override { return encoding_->embeddings[number_]; }

 private:
  MtmdEncoder& owner_;
  std::shared_ptr<Encoding> encoding_;
  std::size_t number_;
};

/// How large an image's span can be, from bitmaps without pixels: libmtmd counts their tokens.
void MtmdEncoder::measure() {
  constexpr std::uint32_t kLong = kMostPixels;
  constexpr std::uint32_t kShort = 64;
  constexpr std::pair<std::uint32_t, std::uint32_t> kSizes[] = {
      {kLong, kLong},  {kLong, kLong / 2}, {kLong / 2, kLong}, {kLong, kShort},
      {kShort, kLong}, {1024, 1024},       {kShort, kShort}};
  for (const auto& [width, height] : kSizes) {
    const Bitmap bitmap(mtmd_bitmap_init(width, height, nullptr));
    const Chunks chunks = prepare(context_.get(), bitmap.get());
    if (!chunks)
      continue;
    for (const mtmd_input_chunk* chunk : list(chunks.get())) {
      if (!is_image(chunk))
        continue;
      most_tokens_ = std::max(most_tokens_, static_cast<int>(mtmd_input_chunk_get_n_tokens(chunk)));
      undivided_ = undivided_ || mtmd_decode_use_non_causal(context_.get(), chunk);
    }
  }
}

/// Names an image and what was made of it: the projector's bytes and its own.
MtmdEncoder::Key MtmdEncoder::key_of(std::string_view base64) const {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, kKeyContext);
  blake3_hasher_update(&hasher, identity_.data(), identity_.size());
  blake3_hasher_update(&hasher, base64.data(), base64.size());
  Key key;
  blake3_hasher_finalize(&hasher, key.data(), key.size());
  return key;
}

std::expected<Chunks, std::string> MtmdEncoder::decode(std::string_view base64) const {
  if (base64.size() / 4 * 3 > kMostBytes)
    return std::unexpected(std::format("it is larger than {} MiB", kMostBytes >> 20));
  const auto file = text::decode_base64(base64);
  if (!file)
    return std::unexpected("its base64 is damaged");
  const auto header = read_image_header(*file);
  if (!header)
    return std::unexpected(header.error());
  if (std::max(header->width, header->height) > kMostPixels)
    return std::unexpected(std::format("it is larger than {0} x {0} pixels", kMostPixels));
  const Bitmap bitmap(mtmd_helper_bitmap_init_from_buf(
                          context_.get(), reinterpret_cast<const unsigned char*>(file->data()),
                          file->size(), false, mtmd_helper_init_opt_default())
                          .bitmap);
  if (!bitmap || mtmd_bitmap_is_audio(bitmap.get()))
    return std::unexpected(header->type == "image/webp"
                               ? "it cannot be decoded; WebP needs ffmpeg in the server's PATH"
                               : "it cannot be decoded");
  Chunks chunks = prepare(context_.get(), bitmap.get());
  if (!chunks)
    return std::unexpected("the model's projector does not take it");
  return chunks;
}

std::expected<Known, std::string> MtmdEncoder::look_at(const Key& key,
                                                       const mtmd_input_chunks* chunks) const {
  Known known;
  for (const mtmd_input_chunk* chunk : list(chunks)) {
    if (!is_image(chunk)) {
      std::size_t count = 0;
      const llama_token* tokens = mtmd_input_chunk_get_tokens_text(chunk, &count);
      known.tokens.insert(known.tokens.end(), tokens, tokens + count);
      continue;
    }
    const auto count = static_cast<int>(mtmd_input_chunk_get_n_tokens(chunk));
    const int positions = mtmd_input_chunk_get_n_pos(chunk);
    Span span;
    span.begin = known.tokens.size();
    span.is_causal = !mtmd_decode_use_non_causal(context_.get(), chunk);
    if (mtmd_decode_use_mrope(context_.get())) {
      auto places = places_of(chunk);
      if (!places)
        return std::unexpected("this kind of positions is not supported");
      span.places = std::move(*places);
    }
    const bool is_single = count == 1 && positions == 1;
    if (count < 1 || count > most_tokens_ || positions < 1 || positions > kv::kMostImagePositions ||
        (count == 1 && !is_single))
      return std::unexpected("it becomes too many tokens");
    Key part = key; // each of an image's spans has its own
    const auto number = known.spans.size();
    part[0] ^= static_cast<std::uint8_t>(number);
    part[1] ^= static_cast<std::uint8_t>(number >> 8);
    span.tokens = kv::image_tokens(part, count, positions);
    known.tokens.append_range(span.tokens);
    known.spans.push_back(std::move(span));
  }
  if (known.spans.empty())
    return std::unexpected("the model's projector makes nothing of it");
  return known;
}

std::expected<ImagePrompt, std::string>
MtmdEncoder::read(std::shared_ptr<const std::string> base64) {
  const Key key = key_of(*base64);
  std::shared_ptr<const Known> known;
  std::shared_ptr<Encoding> encoding;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      known_.splice(known_.begin(), known_, found->second);
      known = found->second->second;
    }
    encoding = encodings_[key].lock();
  }
  Chunks chunks;
  if (!known) {
    auto decoded = decode(*base64);
    if (!decoded)
      return std::unexpected(decoded.error());
    chunks = std::move(*decoded);
    auto looked = look_at(key, chunks.get());
    if (!looked)
      return std::unexpected(looked.error());
    known = std::make_shared<const Known>(std::move(*looked));
  }
  {
    const std::scoped_lock lock(mutex_);
    if (!by_key_.contains(key)) {
      known_.emplace_front(key, known);
      by_key_[key] = known_.begin();
    }
    if (known_.size() > kRemembered) {
      by_key_.erase(known_.back().first);
      known_.pop_back();
    }
    std::erase_if(encodings_, [](const auto& entry) { return entry.second.expired(); });
    if (!encoding && !(encoding = encodings_[key].lock())) {
      encoding = std::make_shared<Encoding>();
      encoding->base64 = std::move(base64);
      encoding->chunks = std::move(chunks);
      encodings_[key] = encoding;
    }
  }
  ImagePrompt prompt;
  prompt.tokens = known->tokens;
  for (std::size_t i = 0; i < known->spans.size(); ++i)
    prompt.images.push_back({static_cast<int>(known->spans[i].begin),
                             std::make_shared<Input>(*this, encoding, known->spans[i], i)});
  return prompt;
}

/// Only this thread computes with the projector, and only it looks at what an encoding is made
/// from.
void MtmdEncoder::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_)
      return;
    const std::shared_ptr<Encoding> next = std::move(queue_.front());
    queue_.pop_front();
    if (next.use_count() == 1)
      continue; // nobody waits for it any more
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    MtmdLog::take_error();
    const bool made = encode(*next);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    lock.lock();
    if (made) {
      spdlog::info("an image was encoded in {:.0f} ms", took.count());
      next->state = ImageInput::State::ready;
      keep(next);
    } else {
      spdlog::error("an image could not be encoded: {}", MtmdLog::take_error());
      next->state = ImageInput::State::failed;
    }
    changed_.notify_all();
  }
}

bool MtmdEncoder::encode(Encoding& encoding) {
  if (!encoding.chunks) {
    auto decoded = decode(*encoding.base64);
    if (!decoded)
      return false;
    encoding.chunks = std::move(*decoded);
  }
  for (const mtmd_input_chunk* chunk : list(encoding.chunks.get())) {
    if (!is_image(chunk))
      continue;
    if (mtmd_encode_chunk(context_.get(), chunk) != 0)
      return false;
    const float* made = mtmd_get_output_embd(context_.get());
    encoding.embeddings.emplace_back(made, made + width_ * mtmd_input_chunk_get_n_tokens(chunk));
  }
  encoding.chunks.reset(); // the pixels are of no use any more
  encoding.base64.reset();
  return true;
}

/// Keeps what was made beyond the requests that wait for it; the oldest goes first.
void MtmdEncoder::keep(std::shared_ptr<Encoding> encoding) {
  const auto bytes = [](const Encoding& one) {
    std::size_t sum = 0;
    for (const auto& embedding : one.embeddings)
      sum += embedding.size() * sizeof(float);
    return sum;
  };
  kept_bytes_ += bytes(*encoding);
  kept_.push_front(std::move(encoding));
  while (kept_bytes_ > kEmbeddingBytes) {
    kept_bytes_ -= bytes(*kept_.back());
    kept_.pop_back();
  }
}

} // namespace

std::expected<std::unique_ptr<ImageEncoder>, std::string>
ImageEncoder::load(const Model& model, const ImageEncoderOptions& options) {
  const auto fail = [&](const std::string& why) {
    return std::unexpected(std::format("{}: {}", options.projector.native(), why));
  };
  if (const auto info = read_projector_info(options.projector); !info)
    return std::unexpected(info.error());
  static std::once_flag once;
  std::call_once(once, [] { MtmdLog::listen("libmtmd"); });
  MtmdLog::take_error();
  mtmd_context_params params = mtmd_context_params_default();
  params.use_gpu = model.uses_gpu();
  params.print_timings = false;
  params.warmup = false;
  if (options.threads > 0)
    params.n_threads = options.threads;
  Context context(mtmd_init_from_file(options.projector.c_str(), model.handle(), params));
  if (!context)
    return fail("it does not fit this model: " + MtmdLog::take_error());
  if (!mtmd_support_vision(context.get()))
    return fail("it is for sound, not for images");
  std::string identity = options.hashes.empty()
                             ? model_fingerprint(options.projector)
                             : model_content_hash(options.projector, options.hashes);
  return std::make_unique<MtmdEncoder>(model, std::move(context), std::move(identity));
}

} // namespace anyclaude::engine
