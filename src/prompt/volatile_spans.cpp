#include "prompt/volatile_spans.h"

#include "text/letter_case.h"
#include "text/paragraphs.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <utility>

namespace anyclaude::prompt {

namespace {

constexpr std::size_t kLargestBlock = 4000; // bytes, of what moves
constexpr std::size_t kShort = 240;         // bytes, of a block whose subject may be a date
constexpr std::size_t kLongestLabel = 60;   // bytes, in "Working directory: /home/ann/shop"
constexpr std::size_t kTellingName = 5;     // bytes, of a directory that is looked for elsewhere
constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kMovedAway =
    "(A paragraph of this section follows further below, under the same heading.)";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool is_heading(std::string_view line) {
  const auto level = line.find_first_not_of('#');
  return level != 0 && level != std::string_view::npos && level <= 6 && line[level] == ' ';
}

bool is_fence(std::string_view line) {
  return trimmed(line).starts_with("```") || trimmed(line).starts_with("~~~");
}

/// "env" of a line "<env>"; empty for any other line.
std::string_view tag_of(std::string_view line) {
  line = trimmed(line);
  if (line.size() < 3 || line.front() != '<' || line.back() != '>')
    return {};
  const auto name = line.substr(1, line.size() - 2);
  const bool plain =
      std::ranges::all_of(name, [](char c) { return is_word(c) || c == '-' || c == '_'; });
  return plain ? name : std::string_view{};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_absolute(std::string_view path) {
  if (path.starts_with('/'))
    return path.size() > 1 && path[1] != '/' && path[1] != ' ';
  return path.size() > 3 && is_word(path[0]) && path[1] == ':' && path[2] == '\\';
}

/// The directory that a line gives as its whole value: behind a label, or as an item of a list.
std::string_view directory_of(std::string_view line) {
  line = trimmed(line);
  const bool is_item = line.starts_with("- ") || line.starts_with("* ");
  if (is_item)
    line = trimmed(line.substr(2));
  const auto colon = line.find(": ");
  const bool labelled =
      !is_absolute(line) && colon != std::string_view::npos && colon > 0 && colon <= kLongestLabel;
  if (labelled)
    line = trimmed(line.substr(colon + 2));
  else if (!is_item)
    return {};
  if (line.size() > 2 && (line.front() == '`' || line.front() == '"') &&
      line.back() == line.front())
    line = line.substr(1, line.size() - 2);
  while (line.size() > 1 && line.ends_with('/'))
    line.remove_suffix(1);
  const bool is_sentence = line.contains(". ") || line.contains(" - ") || line.contains(": ");
  const bool is_command = is_item && !labelled && line.find('/', 1) == std::string_view::npos &&
                          !line.contains('\\'); // "- /help"
  return is_absolute(line) && !is_sentence && !is_command ? line : std::string_view{};
}

/// A directory's name as a part of another path: every other character than letters and digits
/// becomes a dash.
std::string flat_name(std::string_view directory) {
  std::string name(directory);
  std::ranges::replace_if(name, [](char c) { return !is_word(c); }, '-');
  return name;
}

/// Length of the flat name of a directory that `text` begins with, such as "-home-ann-shop", or 0.
std::size_t flat_name_length(std::string_view text) {
  const auto end = std::ranges::find_if(text, [](char c) { return !is_word(c) && c != '-'; });
  const auto name = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  const auto second = name.find('-', 1);
  const bool is_flat = name.size() > 3 && name[0] == '-' && is_word(name[1]) &&
                       second != std::string_view::npos && second + 1 < name.size();
  return is_flat ? name.size() : 0;
}

/// Paths that have the flat name of a directory in them,
/// "/home/ann/.claude/projects/-home-ann-shop": that name, and the folder of the client's own data,
/// "/home/ann/.claude".
void find_data_folders(std::string_view text, std::vector<std::string>& found) {
  for (auto at = text.find("/-"); at != std::string_view::npos; at = text.find("/-", at + 1)) {
    const auto length = flat_name_length(text.substr(at + 1));
    if (length == 0)
      continue;
    found.emplace_back(text.substr(at + 1, length));
    const auto before = text.substr(0, at).find_last_of(" \t\n`\"'(<");
    const auto begin = before == std::string_view::npos ? 0 : before + 1;
    const auto path = text.substr(begin, at - begin);
    const auto folder = path.substr(0, std::min(path.rfind('/'), path.size()));
    if (is_absolute(folder) && folder.contains("/."))
      found.emplace_back(folder);
  }
}

/// Whether `text` holds `name` with nothing of a longer name around it.
bool mentions(std::string_view text, std::string_view name) {
  const auto continues_name = [](char c) { return is_word(c) || c == '_'; };
  for (auto at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const auto end = at + name.size();
    if (end == text.size() || !continues_name(text[end]))
      return true;
  }
  return false;
}

/// Length of a UUID that `text` begins with, or 0.
std::size_t uuid_length(std::string_view text) {
  constexpr std::size_t kLength = 36;
  if (text.size() < kLength)
    return 0;
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return 0;
  }
  return kLength;
}

bool holds_uuid(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (uuid_length(text.substr(i)) > 0)
      return true;
  return false;
}

bool is_number(std::string_view word, int least, int most) {
  if (word.empty() || word.size() > 4 || !std::ranges::all_of(word, is_digit))
    return false;
  int value = 0;
  for (const char c : word)
    value = 10 * value + (c - '0');
  return value >= least && value <= most;
}

bool is_month(std::string_view word) {
  constexpr std::array kMonths = {"january",   "february", "march",    "april",
                                  "may",       "june",     "july",     "august",
                                  "september", "october",  "november", "december"};
  const std::string lower = text::in_lower_case(word);
  return word.size() >= 3 && std::ranges::any_of(kMonths, [&](std::string_view month) {
           return month == lower || (lower.size() <= 4 && month.starts_with(lower));
         });
}

/// A day of a year: 2026-11-23, 11/23/2026, "November 23, 2026", "Mon Nov 23 2026".
bool holds_date(std::string_view text) {
  std::vector<std::string_view> words; // runs of letters and digits
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_word(text[end]))
      ++end;
    if (end > i)
      words.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  const auto year = [](std::string_view word) { return is_number(word, 1990, 2199); };
  const auto day = [](std::string_view word) {
    while (word.size() > 1 && !is_digit(word.back()))
      word.remove_suffix(1); // 23rd
    return is_number(word, 1, 31);
  };
  const auto month = [](std::string_view word) { return is_month(word) || is_number(word, 1, 12); };
  for (std::size_t i = 0; i + 2 < words.size(); ++i) {
    const auto a = words[i];
    const auto b = words[i + 1];
    const auto c = words[i + 2];
    if ((year(a) && month(b) && day(c)) || // the year first: few words look like one
        (year(c) && ((month(a) && day(b)) || (day(a) && month(b)))))
      return true;
  }
  return false;
}

/// Whether a block begins a section about the git status, headed or labelled.
bool begins_git_status(std::string_view block) {
  constexpr std::string_view kName = "gitstatus";
  std::string name;
  for (const char c : block.substr(0, block.find_first_of(":\n"))) {
    if (is_word(c))
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.size() > kName.size())
      return false;
  }
  return name == kName;
}

/// Cuts a text into blocks; each keeps the empty lines behind it.
std::vector<std::string_view> blocks_of(std::string_view text) {
  const auto lines = lines_of(text);
  std::vector<std::string_view> blocks;
  const auto end_of = [&](std::size_t line) { // byte behind a line and its end
    const auto end =
        static_cast<std::size_t>(lines[line].data() - text.data()) + lines[line].size();
    return std::min(end + 1, text.size());
  };
  const auto closing = [&](std::size_t line) -> std::optional<std::size_t> {
    const bool fence = is_fence(lines[line]);
    const std::string close = "</" + std::string(tag_of(lines[line])) + ">";
    if (!fence && close.size() == 3)
      return std::nullopt;
    for (std::size_t i = line + 1; i < lines.size(); ++i)
      if (fence ? is_fence(lines[i]) : trimmed(lines[i]) == close)
        return i;
    return std::nullopt;
  };
  std::size_t begin = 0; // of the block, in bytes
  for (std::size_t i = 0; i < lines.size();) {
    std::size_t last = i; // line of the block
    while (last < lines.size() && !trimmed(lines[last]).empty()) {
      if (last > i && is_heading(lines[last]))
        break;
      last = closing(last).value_or(last) + 1;
    }
    while (last < lines.size() && trimmed(lines[last]).empty())
      ++last;
    last = std::max(last, i + 1);
    const std::size_t end = end_of(last - 1);
    blocks.push_back(text.substr(begin, end - begin));
    begin = end;
    i = last;
  }
  return blocks;
}

std::string_view without_empty_lines(std::string_view block) {
  return block.substr(0, block.find_last_not_of(" \t\r\n") + 1);
}

} // namespace

SessionMarks::SessionMarks(std::span<const std::string_view> system_texts) {
  for (const std::string_view text : system_texts) {
    for (const std::string_view line : lines_of(text))
      if (const auto directory = directory_of(line); !directory.empty()) {
        directories_.emplace_back(directory);
        directories_.push_back(flat_name(directory));
      }
    find_data_folders(text, directories_);
  }
  std::ranges::sort(directories_);
  const auto [first, last] = std::ranges::unique(directories_);
  directories_.erase(first, last);
}

SessionMarks::Kind SessionMarks::kind_of(std::string_view block) const {
  if (block.size() > kLargestBlock)
    return Kind::stable;
  const auto lines = lines_of(block);
  const auto gives_directory = [](auto line) { return !directory_of(line).empty(); };
  const auto is_mentioned = [block](const std::string& directory) {
    return directory.size() >= kTellingName && mentions(block, directory);
  };
  if (std::ranges::any_of(lines, gives_directory) ||
      std::ranges::any_of(directories_, is_mentioned) || holds_uuid(block))
    return Kind::session;
  return block.size() <= kShort && holds_date(block) ? Kind::date : Kind::stable;
}

DividedText SessionMarks::divide(std::string_view text) const {
  DividedText divided;
  std::string_view heading;       // that the block stands under
  std::string_view moved_heading; // the last one in the session's part
  bool in_git_status = false;
  bool moved = false; // something of the section, with nothing left behind it yet
  for (const std::string_view whole : blocks_of(text)) {
    const std::string_view block = without_empty_lines(whole);
    const bool headed = is_heading(block);
    if (headed) {
      heading = block.substr(0, block.find('\n'));
      moved = false;
    }
    in_git_status = begins_git_status(block) || (in_git_status && !headed);
    const bool is_heading_only = headed && block.size() == heading.size();
    const Kind kind = in_git_status     ? Kind::git_status
                      : is_heading_only ? Kind::stable
                                        : kind_of(block);
    if (block.empty() || kind == Kind::stable) {
      if (std::exchange(moved, false) && !block.empty())
        divided.stable += std::string(kMovedAway) + "\n\n";
      divided.stable += whole;
      continue;
    }
    if (!headed && !heading.empty() && kind == Kind::session) {
      if (moved_heading != heading)
        text::add_paragraph(divided.session, heading);
      moved = true;
    }
    if (headed || kind == Kind::session)
      moved_heading = heading;
    text::add_paragraph(divided.session, block);
  }
  divided.stable.erase(divided.stable.find_last_not_of(" \t\r\n") + 1);
  return divided;
}

} // namespace anyclaude::prompt
