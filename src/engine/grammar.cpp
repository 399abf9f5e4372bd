#include "engine/grammar.h"

#include <llama.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace anyclaude::engine {

namespace {

/// Bytes from which the grammar's next characters are found; deeper, all tokens are asked about.
constexpr std::size_t kDeepest = 3;

} // namespace

void Grammar::Free::operator()(llama_sampler* sampler) const {
  llama_sampler_free(sampler);
}

std::optional<Grammar> Grammar::parse(const llama_vocab* vocab, const TokenBytes& bytes,
                                      const std::string& text) {
  Handle handle(llama_sampler_init_grammar(vocab, text.c_str(), "root"));
  if (!handle)
    return std::nullopt;
  return Grammar(std::move(handle), bytes);
}

bool Grammar::allows(llama_sampler* sampler, Token token) {
  llama_token_data candidate{token, 0, 0};
  llama_token_data_array array{&candidate, 1, -1, false};
  llama_sampler_apply(sampler, &array);
  return !std::isinf(candidate.logit);
}

bool Grammar::allows(Token token) const {
  return allows(handle_.get(), token);
}

bool Grammar::may_end() const {
  return !bytes_->turn_ends().empty() && allows(bytes_->turn_ends().front());
}

void Grammar::accept(Token token) {
  llama_sampler_accept(handle_.get(), token);
}

bool Grammar::accept(std::string_view bytes) {
  for (const char c : bytes) {
    const Token token = bytes_->of_byte(static_cast<unsigned char>(c));
    if (token < 0 || !allows(token))
      return false;
    accept(token);
  }
  return true;
}

void Grammar::keep_allowed(std::vector<llama_token_data>& candidates) const {
  llama_token_data_array array{candidates.data(), candidates.size(), -1, false};
  llama_sampler_apply(handle_.get(), &array);
  std::erase_if(candidates, [](const llama_token_data& c) { return std::isinf(c.logit); });
}

void Grammar::for_each_plausible(std::size_t few, const std::function<void(Token)>& name) const {
  struct Walk {
    const TokenBytes& bytes;
    std::size_t few;
    const std::function<void(Token)>& name;

    void go(llama_sampler* at, std::span<const TokenBytes::Entry> alike, std::size_t depth) {
      if (alike.size() <= few / 16 || depth >= kDeepest) {
        for (const auto& entry : alike)
          name(entry.token);
        return;
      }
      for (const auto& entry : alike) { // those that end here
        if (entry.bytes.size() > depth)
          break;
        name(entry.token);
      }
      std::size_t open = 0;
      std::array<bool, 256> allowed{};
      for (int byte = 0; byte < 256; ++byte) {
        const Token token = bytes.of_byte(byte);
        allowed[static_cast<std::size_t>(byte)] = token < 0 || Grammar::allows(at, token);
        open += allowed[static_cast<std::size_t>(byte)] ? 1 : 0;
      }
      for (int byte = 0; byte < 256; ++byte) {
        if (!allowed[static_cast<std::size_t>(byte)])
          continue;
        const auto next = TokenBytes::narrow(alike, depth, byte);
        const Token token = bytes.of_byte(byte);
        // Where nearly everything is allowed, looking further costs more than it saves.
        if (next.size() <= few / 16 || open > 64 || token < 0) {
          for (const auto& entry : next)
            name(entry.token);
          continue;
        }
        const Handle behind(llama_sampler_clone(at));
        llama_sampler_accept(behind.get(), token);
        go(behind.get(), next, depth + 1);
      }
    }
  };
  Walk{*bytes_, few, name}.go(handle_.get(), bytes_->sorted(), 0);
}

} // namespace anyclaude::engine
