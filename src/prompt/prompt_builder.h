#pragma once

#include "answer/format.h"
#include "anthropic/error.h"
#include "anthropic/messages.h"
#include "prompt/chat_template.h"
#include "prompt/control_text.h"
#include "prompt/layout.h"
#include "prompt/replay_memory.h"
#include "prompt/segment_tokenizer.h"
#include "prompt/stable_front.h"
#include "prompt/tool_order.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::prompt {

struct Arrangement;
struct Canonical;

/// A prompt on its way to become the beginning of the next turn's (see ReplayMemory). A request
/// that is to leave nothing on the disk sets `turn.kept` to false.
struct Continuation {
  ConversationHash conversation; // up to the question
  ReplayTurn turn;               // without the answer
};

struct Prompt {
  std::vector<std::int32_t> tokens;
  std::size_t beyond = 0;      // about how many more there are (see PromptOptions::most_tokens)
  std::vector<int> boundaries; // where messages end, in tokens from the start, ascending
  /// So many tokens in front are tools and system text that every session has alike, and nothing of
  /// the conversation; 0 where that cannot be told.
  int stable_tokens = 0;
  answer::Format format; // how to read the answer
  std::optional<Continuation> continuation;
  std::vector<std::string> warnings; // for the log
};

/// How requests become prompts.
struct PromptOptions {
  Layout layout = Layout::stable_first;
  std::shared_ptr<ToolOrder>
      tool_order{};                      // shared by all prompts of a server; null: one of its own
  std::filesystem::path replay_folder{}; // where answers are kept; empty: in memory only
  /// What is longer than this by far is not tokenized to its end, and not usable.
  std::size_t most_tokens = std::numeric_limits<std::size_t>::max();
  std::string model{}; // tells models' answers apart there
};

/// Makes the prompt of a request for one model. Thread-safe.
class PromptBuilder {
 public:
  PromptBuilder(ChatTemplate chat_template, Tokenizer tokenizer, PromptOptions options = {});

  /// Errors are invalid_request: the template refuses the conversation. `images` is called on this
  /// thread, for each image once.
  std::expected<Prompt, anthropic::Error> build(const anthropic::Request& request,
                                                const std::string& tenant = {},
                                                const ImageReader& images = {}) const;

  /// Keeps an answer, so that the conversation goes on with its very tokens. `answer` is what the
  /// client got, `sampled` all tokens of it but one that ended the turn.
  void remember(Continuation continuation, std::span<const anthropic::ContentBlock> answer,
                std::span<const std::int32_t> sampled) const;
  /// Host memory that what remember() was given takes.
  std::size_t remembered_bytes() const { return memory_->bytes(); }
  /// Host memory that texts with their tokens take.
  std::size_t tokenized_bytes() const { return tokenizer_.bytes(); }

  const TemplateAbilities& abilities() const { return template_.abilities(); }
  const answer::Dialect& dialect() const { return template_.dialect(); }

 private:
  struct Known {
    std::shared_ptr<const ReplayTurn> turn;
    std::string rest; // the prompt's text behind it
  };
  std::optional<Known> replay(const Canonical& canonical, ConversationHash& conversation) const;
  std::optional<std::string> text_behind(const TemplateInput& input, std::size_t answer) const;
  Arrangement arrange(const anthropic::Request& request, const std::string& tenant) const;

  ChatTemplate template_;
  Layout layout_;
  std::shared_ptr<ToolOrder> tool_order_; // learns; thread-safe
  ControlText control_;
  std::vector<std::string> turn_starts_; // control texts that begin a message
  StableFront stable_front_;
  std::vector<std::string> turn_ends_;   // those that end an answer
  mutable SegmentTokenizer tokenizer_;   // remembers; thread-safe
  std::unique_ptr<ReplayMemory> memory_; // thread-safe
};

} // namespace anyclaude::prompt
