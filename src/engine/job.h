#pragma once

#include "engine/image_input.h"
#include "kv/sequence_memory.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// What the engine is asked and what it says: plain data.
namespace anyclaude::engine {

using kv::SequenceId;
using kv::Token;

class Constraint;

struct SamplingOptions {
  float temperature = 1.0F; // 0: always the most probable token
  float top_p = 1.0F;       // 1: off
  float min_p = 0.0F;       // 0: off
  int top_k = 0;            // 0: off
  std::uint32_t seed = 0;   // used when has_seed; otherwise every answer draws its own
  bool has_seed = false;
  std::shared_ptr<Constraint> constraint{}; // of one answer; null: everything may be said
};

/// Prefill goes on. Sent after every batch that computed part of the prompt.
struct JobProgress {
  int done = 0;  // tokens of the prompt that are in the cache, reused ones included
  int total = 0; // tokens of the prompt
};

/// Prefill ended and the first token is about to be sampled.
struct JobStarted {
  int prompt_tokens = 0;
  int computed = 0; // passed to llama_decode for this prompt; the rest was reused
};

struct JobText {
  std::string text; // complete UTF-8, stop sequences held back
};

enum class EndReason { end_of_turn, max_tokens, stop_sequence, context_full };

struct JobEnded {
  EndReason reason = EndReason::end_of_turn;
  std::string stop_sequence;
  int output_tokens = 0;      // sampled, the end-of-turn token included
  std::vector<Token> sampled; // those tokens
};

struct JobFailed {
  std::string message;
};

using JobEvent = std::variant<JobProgress, JobStarted, JobText, JobEnded, JobFailed>;

/// Who goes first where not everything can be computed at once; see docs/scheduling.md.
enum class Priority {
  background,  // nobody looks at it: a title, a subagent
  interactive, // a person waits
};

struct Job {
  std::string tenant; // nothing computed for one tenant is reused for another
  Priority priority = Priority::interactive;
  std::vector<Token> prompt;       // its last token is text
  std::vector<PlacedImage> images; // every one in it, in order
  /// Where messages end in the prompt, tokens from its start, ascending: the places behind which
  /// other prompts are likely to go on differently. May be empty.
  std::vector<int> boundaries;
  /// Leading tokens of the prompt that are tools and stable system text: what other sessions begin
  /// with as well, and nothing of a conversation. 0 where that is not known.
  int stable_tokens = 0;
  /// Which one it belongs to, for people who look at what is shared; empty: not known. A "/" stands
  /// in front of the part of it that is a subagent's.
  std::string conversation{};
  /// Whether what is computed may be kept on the disk. Otherwise it is shared with nothing that is.
  bool is_kept = true;
  SamplingOptions sampling;
  int max_tokens = 0;
  std::vector<std::string> stop_sequences;
  /// Control tokens that are part of the answer's text, such as a tool call's markers.
  std::vector<Token> visible_control;
  /// Called on the engine thread, in order; must not block.
  std::function<void(JobEvent)> on_event;
  /// Sees the logits that each token is sampled from, before sampling. For self-tests; may be
  /// empty.
  std::function<void(std::span<const float>)> on_logits;
};

} // namespace anyclaude::engine
