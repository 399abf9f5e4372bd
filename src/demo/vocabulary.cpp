#include "demo/vocabulary.h"

#include "demo/byte_level.h"
#include "demo/chat_template.h"

#include <format>
#include <unordered_set>

namespace anyclaude::demo {

namespace {

using Id = Vocabulary::Id;

Id add_token(Vocabulary& vocabulary, std::string text, TokenType type) {
  vocabulary.texts.push_back(std::move(text));
  vocabulary.types.push_back(type);
  vocabulary.successor.push_back(0);
  vocabulary.own_state.emplace_back();
  return static_cast<Id>(vocabulary.texts.size() - 1);
}

void add_trained(Vocabulary& vocabulary, const Bpe& bpe) {
  for (Id id = 0; id < bpe.size(); ++id) {
    add_token(vocabulary, to_byte_level(bpe.token(id)), TokenType::normal);
  }
  for (const auto& [left, right] : bpe.merges()) {
    vocabulary.merges.push_back(vocabulary.texts[left] + " " + vocabulary.texts[right]);
  }
}

void add_special(Vocabulary& vocabulary) {
  vocabulary.end_of_text = add_token(vocabulary, "<|endoftext|>", TokenType::control);
  add_token(vocabulary, "<|im_start|>", TokenType::control);
  vocabulary.end_of_turn = add_token(vocabulary, "<|im_end|>", TokenType::control);
  vocabulary.own_state[vocabulary.end_of_turn] = 0;
  for (const char* text : {"<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>",
                           "<think>", "</think>"}) {
    add_token(vocabulary, text, TokenType::user_defined);
  }
}

std::uint32_t state_of(std::optional<std::size_t> piece) {
  return piece ? static_cast<std::uint32_t>(*piece + 1) : 0;
}

void add_chains(Vocabulary& vocabulary, const ScriptChains& chains) {
  for (std::size_t i = 0; i < chains.entries.size(); ++i) {
    const Id whole = add_token(vocabulary, script_token(i, false), TokenType::control);
    const Id answer = add_token(vocabulary, script_token(i, true), TokenType::control);
    vocabulary.successor[whole] = state_of(chains.entries[i].whole);
    vocabulary.successor[answer] = state_of(chains.entries[i].answer);
  }
  for (std::size_t i = 0; i < chains.pieces.size(); ++i) {
    const Id piece = add_token(vocabulary, chains.pieces[i].text, TokenType::user_defined);
    vocabulary.successor[piece] = state_of(chains.pieces[i].next);
    vocabulary.own_state[piece] = state_of(i);
  }
  vocabulary.states = static_cast<std::uint32_t>(chains.pieces.size() + 1);
}

} // namespace

std::expected<Vocabulary, std::string> make_vocabulary(const ScriptFile* scripts,
                                                       std::size_t padded_size) {
  Vocabulary vocabulary;
  add_trained(vocabulary, Bpe::train(training_counts(), kTrainedTokens));
  add_special(vocabulary);
  if (scripts) {
    const std::unordered_set<std::string> texts(vocabulary.texts.begin(), vocabulary.texts.end());
    const auto taken = [&](const std::string& text) {
      return texts.contains(text) || text.starts_with("<|script:") || text.starts_with("<|unused:");
    };
    const auto chains = make_script_chains(*scripts, taken);
    if (!chains)
      return std::unexpected(chains.error());
    add_chains(vocabulary, *chains);
  }
  while (vocabulary.size() < padded_size) {
    add_token(vocabulary, std::format("<|unused:{}|>", vocabulary.size()), TokenType::unused);
  }
  return vocabulary;
}

} // namespace anyclaude::demo
