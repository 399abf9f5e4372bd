// The demo models as libllama sees them: what their tokenizer does, what they say, and that random
// weights depend on the whole prompt.
#include "demo/bpe.h"
#include "demo/chat_template.h"
#include "demo/demo_model.h"
#include "demo/gguf_file.h"
#include "demo/held_out_prompt.h"
#include "demo/script_chain.h"
#include "demo/vocabulary.h"
#include "engine/model.h"
#include "prompt/chat_template.h"

#include <gmock/gmock.h>
#include <llama.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <numeric>

namespace anyclaude::demo {
namespace {

using Tokens = std::vector<llama_token>;
using testing::ElementsAreArray;

constexpr std::string_view kScripts = R"({"scripts": [
  {"when": {"tool_results": 0, "tool": "Bash", "marker": "LOOP"}, "think": "The shell knows.", "say": "I look.",
   "calls": [{"name": "Bash", "arguments": {"command": "ls \"a b\"", "description": "Zeigt ünïcode 漢字"}},
             {"name": "Read", "arguments": {"path": "/tmp/x", "lines": [1, 2]}}], "say_after": "That is all."},
  {"when": {"tool_results": 2, "marker": "LOOP"}, "say": "I have looked, and there are two files."},
  {"when": {"marker": "LONG"}, "say": "This is line {n} of a long answer.\n", "repeat": 150},
  {"when": {"marker": "THINK"}, "think": "Only a thought."},
  {"when": {"marker": "SAME"}, "say": "I have looked, and there are two files."},
  {"say": "Nothing to do."}]})";

struct ModelDeleter {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct ContextDeleter {
  void operator()(llama_context* context) const { llama_free(context); }
};
using Context = std::unique_ptr<llama_context, ContextDeleter>;

/// A generated model, loaded once for all tests.
class Loaded {
 public:
  explicit Loaded(const ModelOptions& options) {
    engine::load_compute_backends();
    const ScratchFolder folder;
    const auto written = write_demo_model(options, folder / "m.gguf");
    EXPECT_TRUE(written) << written.error();
    // The file may go once it is loaded: a mapping keeps its bytes.
    model_.reset(
        llama_model_load_from_file((folder / "m.gguf").c_str(), llama_model_default_params()));
    EXPECT_TRUE(model_);
  }
  static const Loaded& scripted() {
    static const Loaded kModel = [] {
      ModelOptions options;
      options.script = *parse_script(kScripts);
      return Loaded(options);
    }();
    return kModel;
  }
  static const Loaded& random() {
    static const Loaded kModel = [] {
      ModelOptions options;
      options.random = true;
      return Loaded(options);
    }();
    return kModel;
  }

  const llama_vocab* vocab() const { return llama_model_get_vocab(model_.get()); }
  Tokens tokenize(std::string_view text, bool special) const {
    Tokens tokens(text.size() + 8);
    const int count = llama_tokenize(vocab(), text.data(), static_cast<int>(text.size()),
                                     tokens.data(), static_cast<int>(tokens.size()), true, special);
    EXPECT_GE(count, 0);
    tokens.resize(static_cast<std::size_t>(std::max(count, 0)));
    return tokens;
  }
  std::string piece(llama_token token) const {
    std::string text(512, '\0');
    const int size =
        llama_token_to_piece(vocab(), token, text.data(), static_cast<int>(text.size()), 0, true);
    EXPECT_GE(size, 0);
    return text.substr(0, static_cast<std::size_t>(std::max(size, 0)));
  }
  std::string detokenize(const Tokens& tokens) const {
    std::string text;
    for (const llama_token token : tokens)
      text += piece(token);
    return text;
  }
  Context context() const {
    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = 4096;
    parameters.n_threads = parameters.n_threads_batch = 2;
    return Context(llama_init_from_model(model_.get(), parameters));
  }
  prompt::ChatTemplate chat_template() const {
    const char* source = llama_model_chat_template(model_.get(), nullptr);
    auto compiled = prompt::ChatTemplate::parse(source ? source : "{{ nothing", "", "<|im_end|>");
    EXPECT_TRUE(compiled) << compiled.error();
    return std::move(*compiled);
  }

 private:
  std::unique_ptr<llama_model, ModelDeleter> model_;
};

bool decode(llama_context* context, Tokens tokens) {
  return llama_decode(context,
                      llama_batch_get_one(tokens.data(), static_cast<int>(tokens.size()))) == 0;
}

/// Samples at the given temperature until the model stops; the stop token is not returned.
Tokens answer(const Loaded& model, const Tokens& prompt, float temperature, std::uint32_t seed) {
  const Context context = model.context();
  const std::unique_ptr<llama_sampler, decltype(&llama_sampler_free)> sampler(
      llama_sampler_chain_init(llama_sampler_chain_default_params()), llama_sampler_free);
  llama_sampler_chain_add(sampler.get(), llama_sampler_init_temp(temperature));
  llama_sampler_chain_add(sampler.get(), llama_sampler_init_dist(seed));
  Tokens answer;
  Tokens next = prompt;
  while (answer.size() < 1000) {
    if (!decode(context.get(), next)) {
      ADD_FAILURE() << "llama_decode failed";
      return {};
    }
    const llama_token token = llama_sampler_sample(sampler.get(), context.get(), -1);
    if (llama_vocab_is_eog(model.vocab(), token))
      return answer;
    answer.push_back(token);
    next = {token};
  }
  ADD_FAILURE() << "the answer does not end";
  return answer;
}

/// The logits behind a prompt that is decoded in batches of `batch` tokens.
std::vector<float> logits_after(const Loaded& model, const Tokens& prompt,
                                std::ptrdiff_t batch = 512) {
  const Context context = model.context();
  for (std::ptrdiff_t i = 0; i < std::ssize(prompt); i += batch)
    EXPECT_TRUE(decode(context.get(), {prompt.begin() + i,
                                       prompt.begin() + std::min(i + batch, std::ssize(prompt))}));
  const float* logits = llama_get_logits_ith(context.get(), -1);
  return {logits, logits + llama_vocab_n_tokens(model.vocab())};
}

Json user(const char* text) {
  return {{"role", "user"}, {"content", text}};
}

prompt::TemplateInput request(Json messages) {
  prompt::TemplateInput input;
  input.enable_thinking = true;
  input.messages = std::move(messages);
  for (const char* name : {"Bash", "Read"})
    input.tools.push_back(
        {{"type", "function"}, {"function", {{"name", name}, {"parameters", Json::object()}}}});
  return input;
}

TEST(DemoModelTokenizer, StopsAndMarksTurns) {
  for (const Loaded* model : {&Loaded::scripted(), &Loaded::random()}) {
    const llama_vocab* vocab = model->vocab();
    EXPECT_FALSE(llama_vocab_get_add_bos(vocab));
    const auto only = [&](const char* text) {
      const Tokens tokens = model->tokenize(text, true);
      EXPECT_EQ(tokens.size(), 1U) << text;
      return tokens.front();
    };
    EXPECT_EQ(llama_vocab_eos(vocab), only("<|im_end|>"));
    EXPECT_TRUE(llama_vocab_is_eog(vocab, only("<|im_end|>")));
    EXPECT_TRUE(llama_vocab_is_eog(vocab, only("<|endoftext|>")));
    EXPECT_FALSE(llama_vocab_is_eog(vocab, only("<|im_start|>")));
    EXPECT_TRUE(llama_vocab_is_control(vocab, only("<|im_start|>")));
    EXPECT_FALSE(
        llama_vocab_is_control(vocab, only("<tool_call>"))); // its text is part of the answer
    EXPECT_GT(model->tokenize("<|im_end|>", false).size(), 1U);
  }
}

TEST(DemoModelTokenizer, CutsAnUnseenPromptLikeARealTokenizer) {
  const double tokens = static_cast<double>(Loaded::random().tokenize(kHeldOutPrompt, true).size());
  const double per_50_kb = 50.0 * 1024 / (static_cast<double>(kHeldOutPrompt.size()) / tokens);
  EXPECT_GT(per_50_kb, 12'000);
  EXPECT_LT(per_50_kb, 15'000);
}

/// libllama's own splitting and merging agree with the splitting that the merges were trained for.
TEST(DemoModelTokenizer, MergesAsTrained) {
  const Bpe bpe = Bpe::train(training_counts(), kTrainedTokens);
  const auto expected = bpe.encode(kHeldOutPrompt);
  EXPECT_THAT(Loaded::random().tokenize(kHeldOutPrompt, false),
              ElementsAreArray(Tokens(expected.begin(), expected.end())));
}

RC_GTEST_PROP(DemoModelTokenizerProperty, SplitsAsciiAsTrained, ()) {
  static const Bpe kBpe = Bpe::train(training_counts(), kTrainedTokens);
  const auto text = *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::inRange<char>(' ', '\x7F'),
                     rc::gen::element(' ', '\n', '\t', '\r', '\'', 's', 'l', '"')));
  const auto expected = kBpe.encode(text);
  RC_ASSERT(Loaded::random().tokenize(text, false) == Tokens(expected.begin(), expected.end()));
}

RC_GTEST_PROP(DemoModelTokenizerProperty, GivesEveryTextBack, ()) {
  // Code points of all lengths, surrogates left out; NUL ends a text for libllama's splitter.
  const auto code_points = *rc::gen::container<std::vector<char32_t>>(rc::gen::oneOf(
      rc::gen::inRange<char32_t>(1, 0x80), rc::gen::inRange<char32_t>(0x80, 0x800),
      rc::gen::inRange<char32_t>(0x800, 0xD800), rc::gen::inRange<char32_t>(0x10000, 0x110000)));
  std::string text;
  for (const char32_t c : code_points) {
    const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += static_cast<char>(0xC0 | (c >> 6)), tail(0);
    } else if (c < 0x10000) {
      text += static_cast<char>(0xE0 | (c >> 12)), tail(6), tail(0);
    } else {
      text += static_cast<char>(0xF0 | (c >> 18)), tail(12), tail(6), tail(0);
    }
  }
  for (const Loaded* model : {&Loaded::scripted(), &Loaded::random()})
    for (const bool special : {false, true})
      RC_ASSERT(model->detokenize(model->tokenize(text, special)) == text);
}

TEST(ScriptedModel, SaysEveryScriptAtTemperatureOne) {
  const Loaded& model = Loaded::scripted();
  const ScriptFile file = *parse_script(kScripts);
  for (std::size_t i = 0; i < file.scripts.size(); ++i) {
    const ScriptText text = script_text(file.scripts[i]);
    for (const bool answer_only : {false, true}) {
      const Tokens prompt =
          model.tokenize("<|im_start|>assistant\n" + script_token(i, answer_only), true);
      const std::string expected = (answer_only ? "" : text.thinking) + text.answer;
      for (const std::uint32_t seed : {1U, 2U, 3U})
        EXPECT_EQ(model.detokenize(answer(model, prompt, 1.0F, seed)), expected) << i;
    }
  }
}

TEST(ScriptedModel, IsCertainByALargeMargin) {
  const Loaded& model = Loaded::scripted();
  // After a script token, a piece, and tokens that no script follows.
  for (const std::string& prompt :
       {script_token(0, false), script_token(2, false) + "This is line 1 of", std::string("hello"),
        std::string("<|im_start|>assistant\n")}) {
    std::vector<float> logits = logits_after(model, model.tokenize(prompt, true));
    std::ranges::nth_element(logits, logits.begin() + 1, std::greater{});
    EXPECT_GT(logits[0] - logits[1], 40.0F) << prompt;
  }
}

TEST(ScriptedModel, EndsItsTurnAfterAnythingElse) {
  const Loaded& model = Loaded::scripted();
  for (const char* prompt :
       {"hello", "<|im_start|>assistant\n", "\n", "</think>\n\n", "<tool_call>", "é"})
    EXPECT_TRUE(answer(model, model.tokenize(prompt, true), 1.0F, 7).empty()) << prompt;
}

TEST(ScriptedModel, StreamsInManyPieces) {
  const Loaded& model = Loaded::scripted();
  const Tokens said = answer(model, model.tokenize(script_token(2, false), true), 1.0F, 1);
  EXPECT_GE(said.size(), 150U); // at least one for each line
  EXPECT_TRUE(model.detokenize(said).ends_with("This is line 150 of a long answer.\n"));
}

/// Answers that come back in a prompt are the tokens that were sampled.
TEST(ScriptedModel, FindsItsAnswersAgain) {
  const Loaded& model = Loaded::scripted();
  const ScriptFile file = *parse_script(kScripts);
  for (std::size_t i = 0; i < file.scripts.size(); ++i) {
    const ScriptText text = script_text(file.scripts[i]);
    const Tokens said = answer(model, model.tokenize(script_token(i, false), true), 1.0F, 1);
    EXPECT_EQ(model.tokenize(text.thinking + text.answer, true), said) << i;
  }
}

/// A tool loop as an agent drives it: every prompt extends the one before it and its answer, token
/// for token.
TEST(ScriptedModel, IsExtendedTokenForToken) {
  const Loaded& model = Loaded::scripted();
  const prompt::ChatTemplate chat = model.chat_template();
  const auto prompt_of = [&](const prompt::TemplateInput& input) {
    const auto text = chat.render(input);
    EXPECT_TRUE(text) << text.error();
    return model.tokenize(*text, true);
  };
  prompt::TemplateInput input = request(Json::array({user("LONG please")}));
  Tokens computed = prompt_of(input);
  const auto answer_and_extend = [&](Json said, std::initializer_list<Json> more) {
    const Tokens tokens = answer(model, computed, 1.0F, 11);
    computed.insert(computed.end(), tokens.begin(), tokens.end());
    const std::string text = model.detokenize(tokens);
    if (said["content"].is_null())
      said["content"] = text;
    input.messages.push_back(std::move(said));
    for (const Json& message : more)
      input.messages.push_back(message);
    const Tokens next = prompt_of(input);
    ASSERT_GT(next.size(), computed.size());
    EXPECT_TRUE(std::equal(computed.begin(), computed.end(), next.begin())) << text;
    computed = next;
  };
  answer_and_extend({{"role", "assistant"}, {"content", nullptr}}, {user("THINK")});
  answer_and_extend(
      {{"role", "assistant"}, {"content", ""}, {"reasoning_content", "Only a thought."}},
      {user("bye")});
  answer_and_extend({{"role", "assistant"}, {"content", nullptr}}, {user("SAME again")});
  answer_and_extend({{"role", "assistant"}, {"content", nullptr}}, {user("bye")});
  EXPECT_EQ(model.detokenize(answer(model, computed, 1.0F, 12)), "Nothing to do.");
}

TEST(ScriptedModel, RunsAToolLoop) {
  const Loaded& model = Loaded::scripted();
  const prompt::ChatTemplate chat = model.chat_template();
  const ScriptFile file = *parse_script(kScripts);
  const auto said = [&](const prompt::TemplateInput& input) {
    return model.detokenize(answer(model, model.tokenize(*chat.render(input), true), 1.0F, 3));
  };
  prompt::TemplateInput input = request(Json::array({user("LOOP, please")}));
  const ScriptText calls = script_text(file.scripts[0]);
  EXPECT_EQ(said(input), calls.thinking + calls.answer);
  input.enable_thinking = false;
  EXPECT_EQ(said(input), calls.answer);
  input.messages.push_back({{"role", "assistant"}, {"content", "I look."}});
  input.messages.push_back({{"role", "tool"}, {"content", "a b"}});
  input.messages.push_back({{"role", "tool"}, {"content", "x"}});
  EXPECT_EQ(said(input), "I have looked, and there are two files.");
  input.tools = Json::array();
  input.messages = Json::array({user("LOOP, please")});
  EXPECT_EQ(said(input), "Nothing to do.");
}

TEST(ScriptedModel, SaysByDefaultThatItIsAStandIn) {
  const Loaded model({});
  const auto text = model.chat_template().render(request(Json::array({user("Who are you?")})));
  ASSERT_TRUE(text);
  EXPECT_EQ(model.detokenize(answer(model, model.tokenize(*text, true), 1.0F, 1)),
            default_script().scripts[0].say);
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, static_cast<double>(std::abs(a[i] - b[i])));
  return most;
}

/// What the random kind is for: a prefix that is wrong in one block must show in the logits, far
/// beyond what other batch shapes do.
TEST(RandomModel, DependsOnTheWholePrompt) {
  constexpr int kBlock = 64;
  const Loaded& model = Loaded::random();
  const Tokens prompt = model.tokenize(kHeldOutPrompt, true);
  const std::vector<float> logits = logits_after(model, prompt);
  const double rounding = difference(logits, logits_after(model, prompt, 63));
  EXPECT_LT(rounding, 0.1);
  for (const int start : {0, 256, 640, 1024}) {
    ASSERT_LT(start + kBlock, std::ssize(prompt));
    Tokens wrong = prompt;
    std::reverse(wrong.begin() + start, wrong.begin() + start + kBlock);
    const double change = difference(logits, logits_after(model, wrong));
    EXPECT_GT(change, 3 * rounding) << start;
    EXPECT_GT(change, 0.2) << start;
  }
}

/// Logits as a trained model has them: neither all alike nor of one token alone.
TEST(RandomModel, HasLogitsOfAnOrdinarySpread) {
  const Loaded& model = Loaded::random();
  const std::vector<float> logits = logits_after(model, model.tokenize(kHeldOutPrompt, true));
  EXPECT_TRUE(std::ranges::all_of(logits, [](float value) { return std::isfinite(value); }));
  const auto count = static_cast<double>(logits.size());
  const double mean = std::accumulate(logits.begin(), logits.end(), 0.0) / count;
  double variance = 0;
  for (const float value : logits)
    variance += (value - mean) * (value - mean) / count;
  EXPECT_GT(std::sqrt(variance), 0.5);
  EXPECT_LT(std::sqrt(variance), 2.0);
}

} // namespace
} // namespace anyclaude::demo
