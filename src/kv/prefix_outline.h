#pragma once

#include "kv/sequence_memory.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::kv {

/// Where the cells of a prefix are. Of several places the fastest counts.
enum class Tier {
  none,   // nowhere yet: a request under way asks for it
  disk,   // in a block file alone
  memory, // host memory
  pool,   // the model's own memory: used in place
};
const char* to_string(Tier tier); // "none", "disk", "memory", "pool"

/// Which prefixes there are, where they are kept and who shares them: numbers and names for people
/// to look at, and no token. Prefixes that begin alike are one tree, in stretches of tokens that
/// the same prefixes go through.
struct PrefixOutline {
  struct Part {
    int tokens = 0;
    Tier tier = Tier::none;
    bool operator==(const Part&) const = default;
  };
  struct Stretch {
    int parent = -1; // its place in the list; -1: nothing stands in front of it
    int begin = 0;   // tokens in front of it
    int tokens = 0;
    int disk_tokens = 0;     // of them, on the disk, whatever their tier
    std::vector<Part> parts; // in order; all of its tokens
    int prefixes = 1;        // that go through it
    int left_out = 0;        // of them, prefixes that go on behind it and are not in the list
    int requests = 0;        // under way
    std::vector<int> conversations; // places in the list of names
    bool is_stable = false;     // tools and system text, which other sessions begin with as well
    std::int64_t last_used = 0; // seconds since 1970; 0: not known
  };
  std::vector<std::string> conversations; // the clients' own ids
  std::vector<Stretch> stretches;         // those in front first, then the larger ones
  int left_out = 0;                       // prefixes that have nothing in common with these
};

/// Makes an outline of several trees over the same tokens: what of them is in the pool, what in the
/// store, what is asked for. Looks at the tokens it is given and keeps none, so that these must
/// stay where they are until finish().
class PrefixOutlineBuilder {
 public:
  PrefixOutlineBuilder();
  ~PrefixOutlineBuilder();
  PrefixOutlineBuilder(const PrefixOutlineBuilder&) = delete;
  PrefixOutlineBuilder& operator=(const PrefixOutlineBuilder&) = delete;

  /// What is known of some tokens.
  struct Mark {
    Tier tier = Tier::none;
    bool is_on_disk = false;
    bool is_stable = false;
    bool is_asked_for = false; // by one more request under way
    int conversation = -1;
    std::int64_t last_used = 0;
  };

  struct Node;
  /// Where a tenant's prefixes begin. Whoever knows a tenant by another name only has a tree of its
  /// own with it.
  Node* root(const std::string& tenant);
  std::vector<std::string> tenants() const;

  /// The tokens that stand behind `behind`. Returns where they end.
  Node* add(Node* behind, std::span<const Token> tokens, const Mark& mark);
  /// The same of what there is already; what there is not stays out.
  void note(Node* root, std::span<const Token> tokens, const Mark& mark);

  /// A number for a conversation's name.
  int conversation(const std::string& name);

  /// At most `most` stretches: those that requests ask for, those in the pool and the largest of
  /// the others.
  PrefixOutline finish(std::size_t most) const;

 private:
  static Node* child(Node* at, std::span<const Token>& tokens);

  std::map<std::string, std::unique_ptr<Node>> roots_;
  std::vector<std::string> conversations_;
};

} // namespace anyclaude::kv
