#pragma once

#include "engine/token_bytes.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct llama_sampler;
struct llama_token_data;
struct llama_vocab;

namespace anyclaude::engine {

/// libllama's grammar sampler, with ways to ask it about few tokens instead of a whole vocabulary.
/// Never its lazy kind, which reads the whole answer again at every token. Used by one thread.
class Grammar {
 public:
  /// Nothing when libllama does not accept the text. `bytes` must be the vocabulary's and outlive
  /// it.
  static std::optional<Grammar> parse(const llama_vocab* vocab, const TokenBytes& bytes,
                                      const std::string& text);

  /// Whether the token may come next. A token that ends the turn may where the grammar may end.
  bool allows(Token token) const;
  bool may_end() const;

  /// Goes on by a token that is allowed.
  void accept(Token token);
  /// Goes on by bytes; false, and in no usable state, when they are not allowed.
  bool accept(std::string_view bytes);

  /// Names tokens, all that are allowed and some that are not, by looking at their first bytes only
  /// as far as it takes to be left with about `few`.
  void for_each_plausible(std::size_t few, const std::function<void(Token)>& name) const;

  /// Leaves those that may come next.
  void keep_allowed(std::vector<llama_token_data>& candidates) const;

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const;
  };
  using Handle = std::unique_ptr<llama_sampler, Free>;
  Grammar(Handle handle, const TokenBytes& bytes) : handle_(std::move(handle)), bytes_(&bytes) {}

  static bool allows(llama_sampler* sampler, Token token);

  Handle handle_;
  const TokenBytes* bytes_;
};

} // namespace anyclaude::engine
