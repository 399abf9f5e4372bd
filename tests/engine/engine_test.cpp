// The engine with libllama behind it: loading, submitting, cancelling and ending from other
// threads.
#include "engine/engine.h"
#include "engine/engine_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace anyclaude::engine {
namespace {

using testing::IsSubstring;

// --- loading ---

std::string load_error(const std::filesystem::path& path, int context_tokens = 512) {
  EngineOptions options = small_engine(path);
  options.context_tokens = context_tokens;
  const Engine engine(options);
  const EngineStatus status = engine.wait_until_loaded();
  EXPECT_EQ(status.state, EngineState::failed);
  EXPECT_EQ(engine.status().error, status.error);
  return status.error;
}

TEST(EngineLoading, SaysThatTheFileIsMissing) {
  const auto path = model_folder() / "nowhere.gguf";
  EXPECT_EQ(load_error(path),
            "cannot open the model " + path.string() + ": No such file or directory");
}

TEST(EngineLoading, SaysThatTheFileIsNoModel) {
  const auto path = model_folder() / "text.gguf";
  demo::write_bytes(path, "This is a text, and not a model at all. It goes on for a while.");
  const std::string error = load_error(path);
  EXPECT_TRUE(error.starts_with("cannot load the model " + path.string() + ": ")) << error;
  EXPECT_PRED_FORMAT2(IsSubstring, "magic", error);
}

TEST(EngineLoading, SaysThatTheFileIsEmptyOrAFolder) {
  const auto path = model_folder() / "empty.gguf";
  demo::write_bytes(path, "");
  EXPECT_TRUE(load_error(path).starts_with("cannot load the model " + path.string() + ": "));
  const std::string folder = load_error(model_folder().path());
  EXPECT_TRUE(folder.starts_with("cannot load the model " + model_folder().path().string()))
      << folder;
}

TEST(EngineLoading, SaysThatTheFileIsCutShort) {
  const std::string whole = demo::read_bytes(random_model_file());
  const auto path = model_folder() / "short.gguf";
  demo::write_bytes(path, std::string_view(whole).substr(0, whole.size() / 2));
  const std::string error = load_error(path);
  EXPECT_PRED_FORMAT2(IsSubstring, "cannot load the model " + path.string(), error);
  EXPECT_PRED_FORMAT2(IsSubstring, "incomplete", error);
  demo::write_bytes(path, std::string_view(whole).substr(0, 1000)); // inside the metadata
  EXPECT_TRUE(load_error(path).starts_with("cannot load the model " + path.string() + ": "));
}

TEST(EngineLoading, SaysThatTheFileIsDamaged) {
  std::string bytes = demo::read_bytes(random_model_file());
  const auto path = model_folder() / "damaged.gguf";
  const std::size_t name = bytes.find("blk.1.attn_k.weight");
  ASSERT_NE(name, std::string::npos);
  bytes[name + 4] = '7'; // there is no block 7
  demo::write_bytes(path, bytes);
  const std::string error = load_error(path);
  EXPECT_PRED_FORMAT2(IsSubstring, "blk.1.attn_k.weight", error);
}

TEST(EngineLoading, SaysThatTheContextDoesNotFitMemory) {
  const std::string error = load_error(random_model_file(), 2'000'000'000); // 4 TB
  EXPECT_PRED_FORMAT2(IsSubstring, "a context of 2000000000 tokens", error);
  EXPECT_PRED_FORMAT2(IsSubstring, "--ctx", error);
}

TEST(EngineLoading, SaysThatTheKvTypeIsUnknown) {
  EngineOptions options = small_engine(random_model_file());
  options.kv_type = "q3";
  EXPECT_EQ(Engine(options).wait_until_loaded().error, "unknown KV type 'q3': use f16 or q8_0");
}

/// A file that can be opened and then gives nothing until somebody writes: loading lasts as long as
/// a test wants it to.
class SlowFile {
 public:
  explicit SlowFile(const char* name) : path_(model_folder() / name) {
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  }
  ~SlowFile() { ::close(file_); }
  SlowFile(const SlowFile&) = delete;
  SlowFile& operator=(const SlowFile&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void give_garbage() {
    file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC); // on Linux this waits for nobody
    const std::string garbage(4096, 'x');
    EXPECT_EQ(::write(file_, garbage.data(), garbage.size()), 4096);
  }

 private:
  std::filesystem::path path_;
  int file_ = -1;
};

TEST(EngineLoading, RefusesJobsUntilItIsReady) {
  SlowFile file("slow.gguf");
  Engine engine(small_engine(file.path()));
  EXPECT_EQ(engine.status().state, EngineState::loading);
  EXPECT_FALSE(engine.outline());
  const auto refused = engine.submit(job_for({1, 2, 3}, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Engine::Refusal::not_ready);
  file.give_garbage();
  EXPECT_EQ(engine.wait_until_loaded().state, EngineState::failed);
  EXPECT_EQ(engine.submit(job_for({1, 2, 3}, 1)).error(), Engine::Refusal::not_ready);
}

TEST(EngineLoading, TellsWhatItLoaded) {
  std::atomic<int> changes = 0;
  EngineOptions options = small_engine(random_model_file());
  options.on_status_change = [&changes] { ++changes; };
  const Engine engine(options);
  const EngineStatus status = engine.wait_until_loaded();
  EXPECT_EQ(status.state, EngineState::ready);
  EXPECT_EQ(status.progress, 1);
  EXPECT_EQ(engine.context_tokens(), 4096);
  EXPECT_TRUE(engine.reuses_prefixes());
  EXPECT_EQ(engine.model().facts().memory, MemoryKind::full_attention);
  EXPECT_EQ(engine.stats().cells, 4096U);
}

TEST(EngineLoading, CanBeGivenUpAtAnyTime) {
  for (int i = 0; i < 5; ++i)
    const Engine engine(small_engine(random_model_file())); // loading may be anywhere by now
}

// --- answers ---

class EngineTest : public testing::Test {
 protected:
  static Engine& engine() { return *shared_engine; }
  static void SetUpTestSuite() {
    shared_engine = std::make_unique<Engine>(small_engine(random_model_file()));
    ASSERT_EQ(shared_engine->wait_until_loaded().state, EngineState::ready);
  }
  static void TearDownTestSuite() { shared_engine.reset(); }

 private:
  static inline std::unique_ptr<Engine> shared_engine;
};

TEST_F(EngineTest, TellsOfItsProgress) {
  const Heard heard = ask(engine(), job_for(random_words(1, 300), 3));
  EXPECT_TRUE(heard.kinds.starts_with("ppppps")) << heard.kinds; // 300 tokens, 64 a batch
  EXPECT_TRUE(heard.kinds.ends_with("e")) << heard.kinds;
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(heard.progress[i].total, 300);
    EXPECT_EQ(heard.progress[i].done, std::min(300, 64 * static_cast<int>(i + 1)));
  }
  EXPECT_EQ(heard.started->computed, 300);
  EXPECT_EQ(heard.ended->output_tokens, 3);
}

TEST_F(EngineTest, ShowsItsPrefixesToOtherThreads) {
  Job job = job_for(random_words(7, 700), 2, "carla");
  job.conversation = "monday";
  ask(engine(), job);
  wait_until_idle(engine());
  std::shared_ptr<const kv::PrefixOutline> outline;
  std::atomic<bool> stops = false;
  std::jthread other([&] { // looks again and again while one job after the other comes
    while (!stops)
      engine().outline();
  });
  const auto has_it = [&outline] {
    return outline && std::ranges::contains(outline->conversations, "monday");
  };
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (int i = 0; !has_it() && std::chrono::steady_clock::now() < limit; ++i) {
    ask(engine(), job_for(random_words(100 + i % 8, 50), 1, "carla"));
    outline = engine().outline();
  }
  stops = true;
  ASSERT_TRUE(has_it());
  EXPECT_TRUE(std::ranges::any_of(outline->stretches, [](const auto& stretch) {
    return stretch.tokens == 701 && stretch.parts.front().tier == kv::Tier::pool;
  }));
}

TEST_F(EngineTest, ReusesWhatTheTenantHadComputedAndNobodyElse) {
  const auto prompt = random_words(2, 200);
  EXPECT_EQ(ask(engine(), job_for(prompt, 2)).reused(), 0);
  EXPECT_EQ(ask(engine(), job_for(prompt, 2)).reused(), 199);
  EXPECT_EQ(ask(engine(), job_for(prompt, 2, "bert")).reused(), 0);
}

TEST_F(EngineTest, EqualRequestsAtOnceDrawTheirOwnAnswers) {
  Job job = job_for(random_words(3, 100), 12);
  job.sampling.temperature = 1;
  Listener first;
  Listener second;
  const auto a = engine().submit(first.listening(job));
  const auto b = engine().submit(second.listening(job));
  EXPECT_NE(first.wait_until_over().text(), second.wait_until_over().text());
}

/// Submits a long job that is stopped by a gate in its first event, which holds the engine's
/// thread.
struct Held {
  explicit Held(Engine& engine)
      : handle(engine.submit(
            listener.listening(job_for(random_words(50, 100), 1), [this](const JobEvent&) {
              entered.open();
              release.wait();
            }))) {
    EXPECT_TRUE(handle);
    entered.wait();
  }
  ~Held() { release.open(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  Gate entered;
  Gate release;
  Listener listener;
  std::expected<std::unique_ptr<Engine::Handle>, Engine::Refusal> handle;
};

/// A job whose handle goes is computed no further than the batch that runs just then.
TEST_F(EngineTest, AJobStopsWithinOneBatchOfItsHandlesEnd) {
  wait_until_idle(engine());
  const std::uint64_t before = engine().stats().computed_tokens;
  Gate begun;
  Listener listener;
  auto handle = engine().submit(listener.listening(job_for(random_words(4, 3000), 1),
                                                   [&](const JobEvent&) { begun.open(); }));
  begun.wait();
  handle->reset();
  const std::uint64_t at_end = engine().stats().computed_tokens; // without the batch that runs
  ask(engine(), job_for(random_words(5, 40), 1)); // whatever the engine was doing, it has stopped
  wait_until_idle(engine());
  const std::uint64_t after = engine().stats().computed_tokens;
  EXPECT_LE(after, at_end + 64 + 40);
  EXPECT_FALSE(listener.now().over());
  // The retry goes on from there: what was computed stays.
  const Heard retry = ask(engine(), job_for(random_words(4, 3000), 1));
  EXPECT_EQ(retry.reused(), static_cast<int>(after - before - 40));
}

TEST_F(EngineTest, NothingIsHeardBehindTheHandlesEnd) {
  std::atomic<int> late = 0;
  for (int i = 0; i < 30; ++i) {
    auto gone = std::make_shared<std::atomic<bool>>(false);
    Gate begun;
    const int wanted = i % 7; // the event behind which it goes
    auto seen = std::make_shared<int>(0);
    Job job = job_for(random_words(6, 100 + 10 * i), 20);
    job.on_event = [&begun, &late, gone, seen, wanted](const JobEvent&) {
      late += gone->load() ? 1 : 0;
      if ((*seen)++ == wanted)
        begun.open();
    };
    job.on_logits = [&late, gone](std::span<const float>) { late += gone->load() ? 1 : 0; };
    auto handle = engine().submit(std::move(job));
    begun.wait();
    handle->reset();
    gone->store(true);
  }
  ask(engine(), job_for(random_words(7, 10), 1));
  EXPECT_EQ(late, 0);
}

TEST_F(EngineTest, AHandleMayGoBeforeItsJobWasLookedAt) {
  Held held(engine());
  Listener listener;
  auto handle = engine().submit(listener.listening(job_for(random_words(8, 500), 1)));
  const auto used = engine().stats().computed_tokens;
  handle->reset();
  held.release.open();
  held.listener.wait_until_over();
  ask(engine(), job_for(random_words(9, 10), 1));
  wait_until_idle(engine());
  EXPECT_EQ(listener.now().kinds, "");
  EXPECT_LE(engine().stats().computed_tokens, used + 100 + 10);
}

TEST(EngineLimits, RefusesWhenTheQueueIsFull) {
  EngineOptions options = small_engine(random_model_file());
  options.max_running = 1;
  options.max_queued = 2;
  Engine engine(options);
  engine.wait_until_loaded();
  Held held(engine);
  std::vector<Listener> listeners(3);
  std::vector<std::unique_ptr<Engine::Handle>> handles;
  for (int i = 0; i < 2; ++i) {
    auto handle = engine.submit(listeners[static_cast<std::size_t>(i)].listening(
        job_for(random_words(60 + static_cast<std::uint32_t>(i), 20), 1)));
    ASSERT_TRUE(handle);
    handles.push_back(std::move(*handle));
  }
  const auto refused = engine.submit(listeners[2].listening(job_for(random_words(62, 20), 1)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Engine::Refusal::queue_full);
  EXPECT_EQ(engine.stats().queued + engine.stats().running, 3);
  held.release.open();
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(listeners[i].wait_until_over().failure, "");
  EXPECT_EQ(listeners[2].now().kinds, "");
}

/// Every job that was taken is told, also one that the engine's thread has not seen yet.
TEST(EngineEnd, FailsWhatRunsAndWhatWaits) {
  EngineOptions options = small_engine(random_model_file());
  options.max_running = 1;
  auto engine = std::make_unique<Engine>(options);
  engine->wait_until_loaded();
  Held running(*engine);
  std::vector<Listener> listeners(3);
  std::vector<std::unique_ptr<Engine::Handle>> handles;
  for (Listener& listener : listeners)
    handles.push_back(*engine->submit(listener.listening(job_for(random_words(70, 3000), 1000))));
  auto ended = std::async(std::launch::async, [&] { engine.reset(); });
  running.release.open();
  ended.get();
  for (const Listener& listener : listeners)
    EXPECT_EQ(listener.now().failure, "the server is shutting down");
  handles.clear(); // handles may outlive the engine
}

std::string answer_of_a_new_engine(float temperature, std::uint32_t seed) {
  Engine engine(small_engine(random_model_file()));
  engine.wait_until_loaded();
  Job job = job_for(random_words(80, 150), 24);
  job.sampling = {.temperature = temperature, .seed = seed, .has_seed = temperature > 0};
  const Heard heard = ask(engine, std::move(job));
  EXPECT_EQ(heard.failure, "");
  return heard.text();
}

TEST(EngineSampling, ASeedRepeatsAnAnswer) {
  const std::string first = answer_of_a_new_engine(1, 11);
  EXPECT_EQ(answer_of_a_new_engine(1, 11), first);
  EXPECT_NE(answer_of_a_new_engine(1, 12), first);
}

TEST(EngineSampling, GreedyIsTheSameEveryTime) {
  EXPECT_EQ(answer_of_a_new_engine(0, 0), answer_of_a_new_engine(0, 0));
}

} // namespace
} // namespace anyclaude::engine
