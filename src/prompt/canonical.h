#pragma once

#include "anthropic/messages.h"
#include "prompt/chat_template.h"
#include "prompt/control_text.h"

#include <string>
#include <vector>

namespace anyclaude::prompt {

/// A request in the one form that a chat template gets, whatever shape the client sent it in.
struct Canonical {
  TemplateInput input;
  /// Text that the answer is to begin with: the request's last message was the assistant's.
  std::string answer_prefix;
  std::vector<std::string> warnings; // for the log
};

/// Brings a request to its canonical form:
/// - the client's billing line is dropped: it fingerprints the first question, and would change the
///   prompt's first tokens with every conversation;
/// - an inline system message joins the user's turn that it stands in, marked as a reminder, so
///   that nothing before it moves;
/// - consecutive turns of the user are one turn, results of parallel calls stand in the order of
///   the calls, text without content is dropped;
/// - a tool whose loading is deferred stays out of the front; its schema stands where a tool result
///   refers to it;
/// - what the model cannot see stays as a short placeholder.
/// The form of a conversation is the beginning of the form of its continuation.
Canonical canonicalize(const anthropic::Request& request, const ControlText& control);

} // namespace anyclaude::prompt
