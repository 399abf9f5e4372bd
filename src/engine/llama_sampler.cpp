#include "engine/llama_sampler.h"

#include "engine/constraint.h"
#include "engine/grammar.h"
#include "text/utf8.h"

#include <llama.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace anyclaude::engine {

namespace {

/// Draws that are refused before the grammar is asked about all that is left.
constexpr int kMostDraws = 4;
/// So few candidates are asked about one by one.
constexpr std::size_t kFew = 4096;

struct FreeSampler {
  void operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }
};
using Chain = std::unique_ptr<llama_sampler, FreeSampler>;

Chain make_chain(const SamplingOptions& options) {
  Chain chain(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  const auto add = [&chain](llama_sampler* sampler) {
    llama_sampler_chain_add(chain.get(), sampler);
  };
  if (options.temperature <= 0) {
    add(llama_sampler_init_greedy());
    return chain;
  }
  if (options.top_k > 0)
    add(llama_sampler_init_top_k(options.top_k));
  if (options.top_p < 1)
    add(llama_sampler_init_top_p(options.top_p, 1));
  if (options.min_p > 0)
    add(llama_sampler_init_min_p(options.min_p, 1));
  add(llama_sampler_init_temp(options.temperature));
  add(llama_sampler_init_dist(options.has_seed ? options.seed : std::random_device()()));
  return chain;
}

class LlamaSampler : public Sampler {
 public:
  LlamaSampler(llama_context* context, const SamplingOptions& options)
      : context_(context), chain_(make_chain(options)) {}

  Token sample(int index) override { return llama_sampler_sample(chain_.get(), context_, index); }

 private:
  llama_context* context_;
  Chain chain_;
};

/// Asks a constraint before each token. While a rule holds, a token is drawn from the whole
/// distribution first, and only where the grammar refuses it are the other candidates looked at: by
/// their first bytes, so that most of them are never asked about. Drawing again without what was
/// refused gives the same distribution as masking everything first.
class ConstrainedSampler : public Sampler {
 public:
  ConstrainedSampler(llama_context* context, const SamplingOptions& options,
                     const TokenBytes& bytes)
      : context_(context), vocab_(llama_model_get_vocab(llama_get_model(context))), bytes_(bytes),
        constraint_(options.constraint), chain_(make_chain(options)) {}

  Token sample(int index) override {
    if (auto rule = constraint_->advance(last_))
      begin(*rule);
    const Token token =
        grammar_ ? draw(index) : llama_sampler_sample(chain_.get(), context_, index);
    remember(token);
    return token;
  }

 private:
  void begin(const Rule& rule) {
    last_rule_ = rule.last;
    unfinished_.clear();
    grammar_ = Grammar::parse(vocab_, bytes_, rule.last ? rule.grammar : open_ended(rule.grammar));
    if (grammar_ && !grammar_->accept(rule.said))
      grammar_.reset(); // the model has begun otherwise: what it says is judged when it has ended
    release();
  }

  /// A token may end what the grammar says and go on with what is free behind it.
  static std::string open_ended(std::string grammar) {
    constexpr std::string_view kRoot = "root ::=";
    if (grammar.starts_with(kRoot))
      grammar.replace(0, kRoot.size(), "root ::= held .*\nheld ::=");
    return grammar;
  }

  /// Behind a rule that is not the last one, the answer is free.
  void release() {
    if (grammar_ && !last_rule_ && grammar_->may_end())
      grammar_.reset();
  }

  void remember(Token token) {
    last_.clear();
    if (llama_vocab_is_eog(vocab_, token) ||
        (llama_vocab_is_control(vocab_, token) && !constraint_->shows(token)))
      return;
    last_ = piece(token);
  }

  Token draw(int index) {
    const float* logits = llama_get_logits_ith(context_, index);
    all_.resize(static_cast<std::size_t>(llama_vocab_n_tokens(vocab_)));
    for (std::size_t i = 0; i < all_.size(); ++i)
      all_[i] = {static_cast<Token>(i), logits[i], 0};
    for (const Token token : bytes_.control())
      if (!constraint_->shows(token))
        all_[static_cast<std::size_t>(token)].logit = -INFINITY;
    Token token = choose(all_);
    if (!allows(token))
      token = draw_allowed(logits);
    if (token < 0) { // the vocabulary cannot say what the grammar wants
      grammar_.reset();
      return llama_sampler_sample(chain_.get(), context_, index);
    }
    if (!llama_vocab_is_eog(vocab_, token)) {
      grammar_->accept(token);
      unfinished_ = behind(token).unfinished;
      release();
    }
    return token;
  }

  /// Draws among those that the grammar allows; -1 when there is none.
  Token draw_allowed(const float* logits) {
    candidates_.clear();
    const auto add = [this, logits](Token token) {
      candidates_.push_back({token, logits[token], 0});
    };
    grammar_->for_each_plausible(kFew, add);
    for (const Token token : bytes_.turn_ends())
      add(token);
    for (const Token token : bytes_.control())
      if (constraint_->shows(token))
        add(token);
    if (candidates_.size() > kFew) {
      for (int i = 0; i < kMostDraws; ++i) {
        scratch_ = candidates_;
        const Token token = choose(scratch_);
        if (allows(token))
          return token;
        std::erase_if(candidates_, [token](const auto& c) { return c.id == token; });
      }
    }
    grammar_->keep_allowed(candidates_);
    std::erase_if(candidates_, [this](const auto& c) { return !stays_utf8(c.id); });
    return candidates_.empty() ? -1 : choose(candidates_);
  }

  bool allows(Token token) const { return grammar_->allows(token) && stays_utf8(token); }

  struct Utf8 {
    bool valid;
    std::string unfinished; // character at the end
  };
  /// libllama's grammar takes ill-formed sequences for the characters that they would be.
  Utf8 behind(Token token) const {
    std::string bytes = unfinished_ + piece(token);
    text::Utf8Splitter splitter;
    const std::string whole = splitter.push(bytes);
    return {bytes.starts_with(whole), bytes.substr(std::min(whole.size(), bytes.size()))};
  }
  bool stays_utf8(Token token) const {
    return llama_vocab_is_eog(vocab_, token) ? unfinished_.empty() : behind(token).valid;
  }

  std::string piece(Token token) const {
    std::string bytes(64, '\0');
    auto size = llama_token_to_piece(vocab_, token, bytes.data(), 64, 0, true);
    if (size < 0) {
      bytes.resize(static_cast<std::size_t>(-size));
      size = llama_token_to_piece(vocab_, token, bytes.data(), -size, 0, true);
    }
    bytes.resize(static_cast<std::size_t>(std::max(size, 0)));
    return bytes;
  }

  /// What the chain selects; the candidates are not to be used afterwards.
  Token choose(std::vector<llama_token_data>& candidates) {
    llama_token_data_array array{candidates.data(), candidates.size(), -1, false};
    llama_sampler_apply(chain_.get(), &array);
    return array.selected < 0 ? array.data[0].id
                              : array.data[static_cast<std::size_t>(array.selected)].id;
  }

  llama_context* context_;
  const llama_vocab* vocab_;
  const TokenBytes& bytes_;
  std::shared_ptr<Constraint> constraint_;
  Chain chain_;
  std::optional<Grammar> grammar_; // while a rule holds
  bool last_rule_ = false;
  std::string last_;       // bytes of the token before
  std::string unfinished_; // bytes of a character that the next token has to go on with
  std::vector<llama_token_data> all_, candidates_, scratch_;
};

} // namespace

std::unique_ptr<Sampler> make_llama_sampler(llama_context* context, const SamplingOptions& options,
                                            const TokenBytes* bytes) {
  if (options.constraint && bytes)
    return std::make_unique<ConstrainedSampler>(context, options, *bytes);
  return std::make_unique<LlamaSampler>(context, options);
}

} // namespace anyclaude::engine
