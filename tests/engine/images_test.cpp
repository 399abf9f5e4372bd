// Images among a prompt's tokens, judged by logits on random weights: against libllama computing
// the whole text from its first token on, with libmtmd's own helper putting the images in. One
// model for each way of placing them: one token behind the other, M-RoPE, and tokens that see each
// other (in a model with sliding windows).
#include "engine/engine_client.h"
#include "engine/image_encoder.h"
#include "engine/logits.h"
#include "engine/test_images.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>
#include <llama.h>
#include <mtmd-helper.h>
#include <mtmd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <ranges>

namespace anyclaude::engine {
namespace {

constexpr int kAnswer = 4; // tokens

struct SeeingModel {
  const char* name;
  demo::Architecture architecture;
};

std::ostream& operator<<(std::ostream& out, const SeeingModel& one) {
  return out << one.name;
}

/// Tokens of text and images, put together.
struct Text {
  std::vector<Token> tokens;
  std::vector<PlacedImage> images;

  Text& operator+=(const Text& more) {
    for (const PlacedImage& image : more.images)
      images.push_back({image.begin + static_cast<int>(tokens.size()), image.input});
    tokens.append_range(more.tokens);
    return *this;
  }
  friend Text operator+(Text left, const Text& right) { return left += right; }
};

Text words(std::uint32_t seed, int count) {
  return {random_words(seed, count), {}};
}

/// A model that sees, and what libllama and libmtmd make of its texts without us.
class SeeingSubject {
 public:
  explicit SeeingSubject(demo::Architecture architecture)
      : file(random_model_file(architecture)), projector(projector_file(architecture)),
        model(load_model(file)), encoder(load_encoder()) {
    mtmd_context_params params = mtmd_context_params_default();
    params.use_gpu = false;
    params.warmup = false;
    params.n_threads = 1;
    mtmd_.reset(mtmd_init_from_file(projector.c_str(), model->handle(), params));
    EXPECT_TRUE(mtmd_);
    const Text text = words(1, 90) + image(1, 140, 84) + words(2, 30);
    const Text other = words(1, 90) + image(2, 140, 84) + words(2, 30);
    const auto right = logits(text.tokens, kAnswer);
    double noise = 0;
    for (const int size : {64, 63, 17, 3})
      noise = std::max(noise, Reference::largest(right, logits(text.tokens, kAnswer, size)));
    another_image = Reference::largest(right, logits(other.tokens, kAnswer));
    tolerance = allowed_difference(noise, another_image);
  }

  static SeeingSubject& of(demo::Architecture architecture) {
    static std::map<demo::Architecture, std::unique_ptr<SeeingSubject>> subjects;
    auto& subject = subjects[architecture];
    if (!subject)
      subject = std::make_unique<SeeingSubject>(architecture);
    return *subject;
  }

  std::unique_ptr<ImageEncoder> load_encoder() const {
    auto loaded = ImageEncoder::load(*model, {.projector = projector, .threads = 1, .hashes = {}});
    EXPECT_TRUE(loaded) << loaded.error();
    return std::move(*loaded);
  }

  /// An image with what the model wants round it.
  Text image(std::uint32_t seed, int width, int height) {
    const std::string png = noise_png(seed, width, height);
    auto read = encoder->read(std::make_shared<const std::string>(base64(png)));
    EXPECT_TRUE(read) << read.error();
    know(read->images, png);
    return {std::move(read->tokens), std::move(read->images)};
  }

  /// Says which file these are of.
  void know(const std::vector<PlacedImage>& images, const std::string& png) {
    for (const PlacedImage& one : images)
      files_[one.input->tokens()] = png;
  }

  /// Logits behind the last `count` tokens, all of text, in batches of `size` tokens.
  std::vector<Logits> logits(std::span<const Token> text, std::size_t count, int size = 512) const;

  double distance(const Answered& answered) const {
    if (answered.logits.empty())
      return std::numeric_limits<double>::infinity(); // it failed
    auto text = answered.conversation();
    text.pop_back();
    return Reference::largest(answered.logits, logits(text, answered.logits.size()));
  }

  bool has_state() const { return model->facts().memory != MemoryKind::full_attention; }

  SchedulerOptions scheduling(int cells = 4096) const {
    SchedulerOptions options;
    options.context_tokens = cells;
    options.batch_tokens = 64;
    options.max_running = 6;
    options.sequences = 10;
    options.checkpoints = has_state();
    return options;
  }

  std::unique_ptr<LlamaDecoder> decoder(const SchedulerOptions& scheduling) const {
    ContextOptions options;
    options.context_tokens = scheduling.context_tokens;
    options.batch_tokens = scheduling.batch_tokens;
    options.sequences = scheduling.sequences + 1;
    options.threads = 1;
    options.image_tokens = encoder->most_tokens();
    options.undivided_images = encoder->undivided();
    options.moves_blocks = scheduling.store != nullptr;
    auto made = LlamaDecoder::create(*model, options);
    EXPECT_TRUE(made) << made.error();
    return std::move(*made);
  }

  std::filesystem::path file, projector;
  std::unique_ptr<Model> model;
  std::unique_ptr<ImageEncoder> encoder;
  double tolerance = 0;
  double another_image = 0; // the difference that it makes

 private:
  struct Free {
    void operator()(mtmd_context* context) const { mtmd_free(context); }
    void operator()(llama_context* context) const { llama_free(context); }
    void operator()(mtmd_bitmap* bitmap) const { mtmd_bitmap_free(bitmap); }
    void operator()(mtmd_input_chunks* chunks) const { mtmd_input_chunks_free(chunks); }
  };
  std::unique_ptr<mtmd_context, Free> mtmd_;
  std::map<std::vector<Token>, std::string> files_; // by the images' tokens
};

std::vector<Logits> SeeingSubject::logits(std::span<const Token> text, std::size_t count,
                                          int size) const {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = 4096;
  params.n_batch = params.n_ubatch = 1024;
  params.n_seq_max = 1;
  params.n_threads = params.n_threads_batch = 1;
  const std::unique_ptr<llama_context, Free> context(
      llama_init_from_model(model->handle(), params));
  std::vector<Logits> rows;
  llama_batch batch = llama_batch_init(size, 0, 1);
  llama_pos position = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (kv::begins_image(text[at])) {
      const std::size_t end = kv::image_end(text, at);
      const std::string& png =
          files_.at({text.begin() + static_cast<long>(at), text.begin() + static_cast<long>(end)});
      const std::unique_ptr<mtmd_bitmap, Free> bitmap(
          mtmd_helper_bitmap_init_from_buf(mtmd_.get(),
                                           reinterpret_cast<const unsigned char*>(png.data()),
                                           png.size(), false, mtmd_helper_init_opt_default())
              .bitmap);
      const std::unique_ptr<mtmd_input_chunks, Free> chunks(mtmd_input_chunks_init());
      const mtmd_input_part part{.text = nullptr, .bitmap = bitmap.get()};
      const mtmd_input_part* const parts[] = {&part};
      EXPECT_EQ(mtmd_tokenize_from_parts(mtmd_.get(), chunks.get(), parts, 1, false), 0);
      for (std::size_t i = 0; i < mtmd_input_chunks_size(chunks.get()); ++i) {
        const auto* chunk = mtmd_input_chunks_get(chunks.get(), i);
        if (mtmd_input_chunk_get_type(chunk) != MTMD_INPUT_CHUNK_TYPE_IMAGE)
          continue;
        EXPECT_EQ(mtmd_helper_eval_chunk_single(mtmd_.get(), context.get(), chunk, position, 0,
                                                1024, false, &position),
                  0);
      }
      at = end;
      continue;
    }
    batch.n_tokens = 0;
    const std::size_t first = at;
    for (; at < text.size() && !kv::is_image(text[at]) && batch.n_tokens < size; ++at) {
      const auto i = batch.n_tokens++;
      batch.token[i] = text[at];
      batch.pos[i] = position++;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = at + count >= text.size() ? 1 : 0;
    }
    EXPECT_EQ(llama_decode(context.get(), batch), 0);
    for (std::size_t i = first; i < at; ++i)
      if (i + count >= text.size()) {
        const float* row = llama_get_logits_ith(context.get(), static_cast<int>(i - first));
        rows.emplace_back(row, row + model->vocab_size());
      }
  }
  llama_batch_free(batch);
  return rows;
}

class ImagesTest : public testing::TestWithParam<SeeingModel> {
 protected:
  SeeingSubject& subject() const { return SeeingSubject::of(GetParam().architecture); }

  const Answered& ask(LogitsRun& run, const Text& text, std::vector<int> boundaries = {}) const {
    return run.ask("anna", text.tokens, kAnswer, std::move(boundaries), text.images);
  }
  double distance(const LogitsRun& run) const {
    double most = 0;
    for (const Answered& answered : run.all)
      most = std::max(most, subject().distance(answered));
    return most;
  }
};

TEST_P(ImagesTest, TheComparisonHasTeeth) {
  RecordProperty("tolerance", std::to_string(subject().tolerance));
  RecordProperty("another_image", std::to_string(subject().another_image));
  EXPECT_LT(subject().tolerance, 0.3);
  EXPECT_GT(subject().another_image, 5 * subject().tolerance);
}

TEST_P(ImagesTest, AnImageIsWhatLibmtmdMakesOfIt) {
  const auto options = subject().scheduling();
  const auto decoder = subject().decoder(options);
  LogitsRun run(*decoder, options);
  ask(run, subject().image(1, 140, 84) + words(1, 20)); // in front
  ask(run, words(2, 150) + subject().image(2, 84, 200) + words(3, 90));
  ask(run, words(4, 20) + subject().image(3, 300, 60) + words(5, 7) + subject().image(4, 60, 300) +
               words(6, 1)); // two
  run.run();
  EXPECT_LT(distance(run), subject().tolerance);
}

TEST_P(ImagesTest, AConversationGoesOnBehindItsImages) {
  const auto options = subject().scheduling();
  const auto decoder = subject().decoder(options);
  LogitsRun run(*decoder, options);
  Text talk = words(1, 100);
  int reused = 0;
  for (std::uint32_t turn = 0; turn < 4; ++turn) {
    const int begin = static_cast<int>(talk.tokens.size());
    talk += words(10 + turn, 15);
    if (turn > 0)
      talk += subject().image(turn, 56 + 28 * static_cast<int>(turn), 84);
    talk += words(20 + turn, 15);
    const Answered& answered = ask(run, talk, {100, begin});
    run.run();
    EXPECT_EQ(answered.heard.failure, "");
    if (turn > 0) { // the last token of an answer is not computed
      EXPECT_GE(answered.heard.reused(), begin - 1) << "turn " << turn;
    }
    talk.tokens = answered.conversation();
    reused += answered.heard.reused();
  }
  EXPECT_GT(reused, 500);
  EXPECT_LT(distance(run), subject().tolerance);
}

TEST_P(ImagesTest, AnotherImageSharesNothingBehindItsBeginning) {
  const auto options = subject().scheduling();
  const auto decoder = subject().decoder(options);
  LogitsRun run(*decoder, options);
  const auto text_with = [&](std::uint32_t seed) {
    return words(1, 100) + subject().image(seed, 140, 84) + words(2, 40);
  };
  const Text first = text_with(1);
  const int begin = first.images.front().begin;
  ask(run, first, {begin});
  run.run();
  const Answered& other = ask(run, text_with(2), {begin});
  run.run();
  const Answered& again = ask(run, text_with(1), {begin});
  run.run();
  EXPECT_EQ(other.heard.reused(), begin);
  EXPECT_GE(again.heard.reused(), begin);
  EXPECT_LT(distance(run), subject().tolerance);
  EXPECT_GT(difference(run.all.front().logits.front(), other.logits.front()),
            5 * subject().tolerance);
}

/// A pool with room for a part of it: images are cut off, jobs are paused in front of them and
/// behind, and answers go on beside them.
TEST_P(ImagesTest, SideBySideInASmallPool) {
  for (const bool separate : {false, true}) {
    auto options = subject().scheduling(640);
    options.separate = separate;
    const auto decoder = subject().decoder(options);
    LogitsRun run(*decoder, options);
    for (int round = 0; round < 2; ++round) {
      for (std::uint32_t i = 0; i < 6; ++i)
        ask(run,
            words(i % 3, 60) + subject().image(i % 4, 140, 84) + words(10 + i, 30) +
                subject().image(i % 2, 84, 84) + words(20 + i, 20),
            {60, 60 + static_cast<int>(subject().image(i % 4, 140, 84).tokens.size())});
      run.run();
    }
    for (const Answered& answered : run.all)
      EXPECT_EQ(answered.heard.failure, "");
    EXPECT_GT(run.scheduler.stats().evicted_tokens, 100U);
    EXPECT_GT(run.scheduler.stats().reused_tokens, 100U);
    EXPECT_LT(distance(run), subject().tolerance);
  }
}

TEST_P(ImagesTest, ComesBackFromTheStore) {
  if (subject().has_state())
    GTEST_SKIP() << "such models' checkpoints are in host memory already";
  kv::BlockStore store({.memory_bytes = 1U << 30, .salt = {}, .fingerprint = {}});
  auto options = subject().scheduling(1280);
  options.store = &store;
  const auto decoder = subject().decoder(options);
  LogitsRun run(*decoder, options);
  const auto talk = [&](std::uint32_t seed) { // an image at a block's end, one larger than a block
    return words(seed, 250) + subject().image(seed, 140, 84) + words(20 + seed, 60) +
           subject().image(10 + seed, 560, 420) + words(30 + seed, 100);
  };
  for (int round = 0; round < 2; ++round)
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      ask(run, talk(seed) + words(40 + static_cast<std::uint32_t>(round), 20));
      run.run();
      while (run.scheduler.work_while_idle()) {
      }
      store.check();
    }
  for (const Answered& answered : run.all | std::views::drop(3))
    EXPECT_GE(answered.heard.reused(), 700);
  EXPECT_GE(run.scheduler.stats().restored_tokens, 3U * 500);
  EXPECT_LT(distance(run), subject().tolerance);
}

/// Another engine, another encoder: the image is found by what is in it, and is not encoded again.
TEST_P(ImagesTest, ComesBackAfterARestart) {
  std::size_t size = 0;
  const demo::ScratchFolder cache;
  const std::string png = noise_png(5, 560, 420);
  std::vector<Answered> all;
  for (int start = 0; start < 2; ++start) {
    EngineOptions options = small_engine(subject().file);
    options.projector = subject().projector;
    options.cache_folder = cache.path();
    Engine engine(options);
    ASSERT_EQ(engine.wait_until_loaded().error, "");
    ASSERT_TRUE(engine.images());
    auto read = engine.images()->read(std::make_shared<const std::string>(base64(png)));
    ASSERT_TRUE(read);
    subject().know(read->images, png);
    const Text text = words(1, 200) + Text{read->tokens, read->images} + words(2, 200);
    Answered& answered = all.emplace_back();
    answered.prompt = text.tokens;
    Job job = job_for(text.tokens, kAnswer);
    job.images = text.images;
    size = text.tokens.size();
    job.boundaries = {static_cast<int>(size) - 20};
    job.on_logits = [&answered](std::span<const float> row) {
      answered.logits.emplace_back(row.begin(), row.end());
    };
    answered.heard = engine::ask(engine, std::move(job));
    wait_until_idle(engine);
    // Two, since the first block goes on to the image's end: another, or a checkpoint.
    while (start == 0 && engine.stats().store.blocks < 2)
      std::this_thread::yield();
  }
  EXPECT_EQ(all[0].heard.reused(), 0);
  EXPECT_GE(all[1].heard.reused(), static_cast<int>(size) - 20);
  for (const Answered& answered : all)
    EXPECT_LT(subject().distance(answered), subject().tolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Placing, ImagesTest,
    testing::Values(SeeingModel{"OneBehindTheOther", demo::Architecture::qwen3},
                    SeeingModel{"MRope", demo::Architecture::qwen3vl},
                    SeeingModel{"SeeingEachOther", demo::Architecture::gemma3}),
    [](const auto& one) { return one.param.name; });

} // namespace
} // namespace anyclaude::engine
