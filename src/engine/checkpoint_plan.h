#pragma once

#include <span>
#include <vector>

namespace anyclaude::engine {

/// Where a request leaves checkpoints in its prompt, in tokens, ascending; all behind the `reused`
/// ones and before the last of the prompt's `size` tokens, which every request computes.
///
/// Of the `boundaries` (ends of messages, ascending): the first, behind tools and system prompt,
/// for other conversations; the last two, for the next request of this one in case the client
/// renders the last answer in another way; and before them ones at about twice the distance each,
/// for a conversation that is taken back to an earlier place. Besides, the place up to which an
/// earlier request had the same tokens (`known`): what two share a third one is likely to share,
/// also where no message ends. Of places that are close together only the last one is taken.
std::vector<int> plan_checkpoints(std::span<const int> boundaries, int reused, int known, int size);

/// Which of the checkpoints of a conversation that goes on and on are kept, when the last of
/// `places` (ascending) has just been made: the first, the last two, and of those before so many
/// that none is more than about twice as far back as the next one.
std::vector<int> thin_checkpoints(std::span<const int> places);

} // namespace anyclaude::engine
