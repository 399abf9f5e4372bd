#include "demo/script_chain.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <span>

namespace anyclaude::demo {
namespace {

bool nothing_taken(const std::string&) {
  return false;
}

/// What decoding from an entry would print.
std::string walk(const ScriptChains& chains, std::optional<std::size_t> piece) {
  std::string text;
  while (piece) {
    text += chains.pieces.at(*piece).text;
    piece = chains.pieces[*piece].next;
  }
  return text;
}

/// Sentences from few words, so that scripts repeat each other's parts, ends and whole texts.
rc::Gen<std::string> sentence() {
  const auto word = rc::gen::element<std::string>(
      "the", "file", " is", " done.", "\n", " über", " 漢字漢字漢字漢字漢字漢字漢字", "a",
      " counting ", "/a/very/long/path/without/any/blank");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(word), [](const auto& words) {
    std::string text;
    for (const std::string& part : words)
      text += part;
    return text;
  });
}

/// Finds pieces in a text as libllama does with user-defined tokens: each one wherever it occurs in
/// what is still text, here in the order given. Empty parts are text that no piece covers.
std::vector<std::string> find_pieces(std::string_view text, std::span<const std::string> pieces) {
  if (text.empty())
    return {};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::size_t at = text.find(pieces[i]);
    if (at == std::string_view::npos)
      continue;
    std::vector<std::string> parts = find_pieces(text.substr(0, at), pieces.subspan(i));
    parts.push_back(pieces[i]);
    std::ranges::copy(find_pieces(text.substr(at + pieces[i].size()), pieces.subspan(i)),
                      std::back_inserter(parts));
    return parts;
  }
  return {""};
}

std::vector<std::string> chain_of(const ScriptChains& chains, std::optional<std::size_t> piece) {
  std::vector<std::string> parts;
  for (; piece; piece = chains.pieces[*piece].next)
    parts.push_back(chains.pieces[*piece].text);
  return parts;
}

RC_GTEST_PROP(ScriptChainProperty, FindsEveryScriptAgain, ()) {
  ScriptFile file;
  file.scripts.resize(*rc::gen::inRange<std::size_t>(1, 5));
  for (Script& script : file.scripts) {
    script.think = *sentence();
    script.say = *sentence();
    if (*rc::gen::arbitrary<bool>())
      script.calls = {{"Bash", "{\"command\": \"a\"}"}, {"Bash", "{\"command\": \"b\"}"}};
  }
  const auto chains = make_script_chains(file, nothing_taken);
  RC_PRE(chains && chains->found_again);
  std::vector<std::string> pieces{"<think>", "</think>", "<tool_call>", "</tool_call>"};
  for (const ScriptPiece& piece : chains->pieces)
    pieces.push_back(piece.text);
  std::ranges::stable_sort(pieces, std::greater{}, &std::string::size); // libllama: longest first
  for (std::size_t i = 0; i < file.scripts.size(); ++i) {
    const ScriptText text = script_text(file.scripts[i]);
    RC_ASSERT(find_pieces(text.thinking + text.answer, pieces) ==
              chain_of(*chains, chains->entries[i].whole));
    RC_ASSERT(find_pieces(text.answer, pieces) == chain_of(*chains, chains->entries[i].answer));
  }
}

TEST(ScriptChain, FindsOrdinaryScriptsAgain) {
  const auto file = parse_script(R"({"scripts": [
    {"when": {"tool_results": 0}, "think": "The shell knows.", "say": "I look.",
     "calls": [{"name": "Bash", "arguments": {"command": "ls"}}, {"name": "Bash", "arguments": {"command": "ls -l"}}]},
    {"when": {"marker": "LONG"}, "say": "This is line {n} of a long answer.\n", "repeat": 2000},
    {"when": {"marker": "A"}, "think": "The shell knows.", "say": "I look again."},
    {"when": {"marker": "B"}, "say": "I look."},
    {"say": "I look again."}]})");
  ASSERT_TRUE(file) << file.error();
  const auto chains = make_script_chains(*file, nothing_taken);
  ASSERT_TRUE(chains) << chains.error();
  EXPECT_TRUE(chains->found_again);
}

TEST(ScriptChain, SaysWhereScriptsAreNotFoundAgain) {
  ScriptFile file;
  file.scripts.resize(1);
  file.scripts[0].say = "abababab";
  const auto repetitive = make_script_chains(
      file, [](const std::string& text) { return text.size() > 6 || text.size() % 2 != 0; });
  ASSERT_TRUE(repetitive) << repetitive.error();
  EXPECT_EQ(walk(*repetitive, repetitive->entries[0].whole), "abababab");
  EXPECT_FALSE(repetitive->found_again); // "ab" + "ababab", but "ababab" is found first, at 0
}

RC_GTEST_PROP(ScriptChainProperty, SpellsEveryScriptWithUniquePieces, ()) {
  ScriptFile file;
  const auto count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    Script script;
    script.think = *sentence();
    script.say = *sentence();
    file.scripts.push_back(script);
  }
  const std::set<std::string> taken{"the", "file", "a", "<think>"};
  const auto chains =
      make_script_chains(file, [&](const std::string& text) { return taken.contains(text); });
  if (!chains) // only texts that cannot be cut without repeating a piece may fail, never silently
    RC_DISCARD("cannot be cut");

  std::set<std::string> texts = taken;
  for (const ScriptPiece& piece : chains->pieces) {
    RC_ASSERT(!piece.text.empty());
    RC_ASSERT((static_cast<unsigned char>(piece.text[0]) & 0xC0) != 0x80); // starts a character
    RC_ASSERT(texts.insert(piece.text).second);
  }
  for (std::size_t i = 0; i < file.scripts.size(); ++i) {
    const ScriptText text = script_text(file.scripts[i]);
    RC_ASSERT(walk(*chains, chains->entries[i].whole) == text.thinking + text.answer);
    RC_ASSERT(walk(*chains, chains->entries[i].answer) == text.answer);
  }
}

TEST(ScriptChain, SharesEqualEnds) {
  ScriptFile file;
  file.scripts.resize(10);
  for (Script& script : file.scripts)
    script.say = "Everything is done, and nothing is left to do for anybody.";
  file.scripts[3].think = "A thought of its own.";
  const auto chains = make_script_chains(file, nothing_taken);
  ASSERT_TRUE(chains) << chains.error();
  for (const ScriptEntry& entry : chains->entries)
    EXPECT_EQ(entry.answer, chains->entries[0].answer);
  EXPECT_NE(chains->entries[3].whole, chains->entries[0].whole);
}

TEST(ScriptChain, CutsAShortTextThatIsTakenInTwo) {
  ScriptFile file;
  file.scripts.resize(1);
  file.scripts[0].say = "done";
  const auto chains = make_script_chains(
      file, [](const std::string& text) { return text == "done" || text.size() == 1; });
  ASSERT_TRUE(chains) << chains.error();
  EXPECT_EQ(chains->pieces.size(), 2U);
  EXPECT_EQ(walk(*chains, chains->entries[0].whole), "done");
}

TEST(ScriptChain, SaysWhatCannotBeCut) {
  ScriptFile file;
  file.scripts.resize(2);
  file.scripts[0].say = "first";
  file.scripts[1].say = "x";
  const auto taken = make_script_chains(file, [](const std::string& text) { return text == "x"; });
  ASSERT_FALSE(taken);
  EXPECT_EQ(
      taken.error(),
      "scripts[1]: the text \"x\" cannot be cut into pieces that no other script has; reword it");

  file.scripts[1].say.clear();
  for (std::size_t i = 0; i <= kMostScriptPieces; ++i)
    file.scripts[1].say += std::to_string(i) + " of a long long text ";
  const auto long_text = make_script_chains(file, nothing_taken);
  ASSERT_FALSE(long_text);
  EXPECT_TRUE(long_text.error().starts_with("scripts[1]: the scripts are too long"))
      << long_text.error();
}

TEST(ScriptChain, StreamsASentenceInSeveralPieces) {
  const auto chains = make_script_chains(default_script(), nothing_taken);
  ASSERT_TRUE(chains);
  EXPECT_GE(chains->pieces.size(), 8U);
}

} // namespace
} // namespace anyclaude::demo
