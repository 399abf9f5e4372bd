#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {

/// A client's system text in two parts: what every session says alike, and what belongs to one
/// session (its directory, its date). Both keep the order of the text; nothing is left out.
struct DividedText {
  std::string stable;
  std::string session;
};

/// Tells which blocks of system text belong to one session, by their form and not by any version's
/// words. A block is a run of lines without an empty one, a fenced piece of code, or what stands
/// between a tag's lines. It belongs to a session when
/// - it gives a directory as the whole value of a line ("Working directory: /home/ann/shop"),
/// - it names a path in such a directory, or one with a directory's name in it that has dashes for
///   slashes ("/home/ann/.claude/projects/-home-ann-shop/memory"), or another in the same folder of
///   the client's own data ("/home/ann/.claude/plans/a-plan.md"),
/// - it holds a UUID, or is short and holds a date,
/// - it is in a section about the git status.
/// A large block stays whole where it is: better as sent than torn. Immutable, thread-safe.
class SessionMarks {
 public:
  /// Finds the directories in all system texts of one request.
  explicit SessionMarks(std::span<const std::string_view> system_texts);

  /// A block that moves repeats the heading that it stood under, and where it was a line of ours
  /// refers to it.
  DividedText divide(std::string_view text) const;

  const std::vector<std::string>& directories() const { return directories_; }

 private:
  enum class Kind { stable, session, date, git_status };
  Kind kind_of(std::string_view block) const;

  std::vector<std::string> directories_; // and their names as parts of other paths
};

} // namespace anyclaude::prompt
