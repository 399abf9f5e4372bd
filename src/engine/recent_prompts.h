#pragma once

#include "kv/prefix_outline.h"

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

namespace anyclaude::engine {

/// With which prompts conversations asked last, so that an outline can tell who shares a prefix.
/// Bounded: the last 64 conversations, and a million tokens (4 MB). Used by one thread.
class RecentPrompts {
 public:
  struct Prompt {
    std::string tenant;
    std::string conversation;
    std::vector<kv::Token> tokens; // what was computed, with the answer
    int stable = 0;                // leading ones: tools and stable system text
    std::int64_t asked = 0;        // seconds since 1970
  };

  /// Takes the place of what the same conversation asked before, where it goes on from there: a
  /// client also asks other things in a conversation's name, such as its title.
  void add(Prompt prompt);

  /// Of each, as much as the outline has.
  void show(kv::PrefixOutlineBuilder& outline) const;

 private:
  std::deque<Prompt> prompts_; // oldest first
  std::size_t tokens_ = 0;
};

} // namespace anyclaude::engine
