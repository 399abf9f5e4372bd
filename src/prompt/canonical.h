#pragma once

#include "anthropic/messages.h"
#include "prompt/chat_template.h"
#include "prompt/control_text.h"
#include "prompt/layout.h"
#include "prompt/prompt_images.h"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace anyclaude::prompt {

/// A request in the one form that a chat template gets, whatever shape the client sent it in.
struct Canonical {
  TemplateInput input;
  /// Where assistants' turns stand in the input's messages, with their turn_form().
  struct Answer {
    std::size_t message = 0;
    std::string form;
  };
  std::vector<Answer> answers;
  /// Text that the answer is to begin with: the request's last message was the assistant's.
  std::string answer_prefix;
  NamedImages images;                // whose marks stand in the input
  std::vector<std::string> warnings; // for the log
};

/// How a prompt is put together for one model and one tenant.
struct Arrangement {
  Layout layout = Layout::stable_first;
  /// Where the system text goes when there are tools, so that the template renders them first.
  SystemPlace system_place = SystemPlace::in_front;
  /// Whether the template has messages for tools' results. Otherwise they join the user's turn, and
  /// turns of user and assistant alternate, as most such templates insist.
  bool tool_messages = true;
  /// Whether another server's model sees images. A turn with some has a list of parts for its
  /// content, as OpenAI's API has it; images in a tool's result stand in the turn behind it.
  bool image_parts = false;
  /// How images of a model of our own become tokens. Empty, as without the above: it sees none, and
  /// they are placeholders.
  ImageReader image_reader;
  /// Tools stand in the order of these, the smallest first; one without a rank stands in front.
  std::map<std::string, int, std::less<>> tool_ranks;
};

/// Brings a request to its canonical form:
/// - tools first, then what every session says alike, then what belongs to the session (see
///   Opening), then the conversation;
/// - a later inline system message joins the user's turn that it stands in, marked as a reminder,
///   so that nothing before it moves;
/// - consecutive turns of the user are one turn, results of parallel calls stand in the order of
///   the calls, text without content is dropped;
/// - a tool whose loading is deferred stays out of the front; its schema stands where a tool result
///   refers to it;
/// - an image that the model can see is a mark in the text; what it cannot see stays as a short
///   placeholder.
/// The form of a conversation is the beginning of the form of its continuation.
Canonical canonicalize(const anthropic::Request& request, const ControlText& control,
                       const Arrangement& arrangement);

} // namespace anyclaude::prompt
