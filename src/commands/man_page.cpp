#include "commands/man_page.h"

#include <format>
#include <string_view>

namespace anyclaude::commands {

namespace {

/// Text as roff reads it: no character has a meaning of its own.
std::string plain(std::string_view text) {
  std::string out;
  bool begins_line = true;
  for (const char c : text) {
    if (begins_line && (c == '.' || c == '\''))
      out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    begins_line = c == '\n';
  }
  return out;
}

std::string in_bold(std::string_view text) {
  return "\\fB" + plain(text) + "\\fR";
}
std::string italic(std::string_view text) {
  return "\\fI" + plain(text) + "\\fR";
}

std::string option(const OptionText& option) {
  std::string names;
  for (const std::string& name : option.names)
    names += (names.empty() ? "" : ", ") + (option.is_positional() ? italic(name) : in_bold(name));
  if (!option.is_positional() && !option.value.empty())
    names += " " + italic(option.value);
  return ".TP\n" + names + "\n" + plain(option.description) + "\n";
}

std::string section(const CommandText& command, const std::string& path) {
  std::string text = ".SS " + plain(path) + "\n" + plain(command.description) + ".\n";
  for (const OptionText& one : command.options)
    if (one.names.back() != "--help")
      text += option(one);
  for (const CommandText& next : command.commands)
    text += section(next, path + " " + next.name);
  return text;
}

constexpr std::string_view kBegin = R"(.SH NAME
anyclaude \- Claude Code on a model of your own, with no prompt computed twice
.SH SYNOPSIS
.B anyclaude
.RI [ OPTIONS ]\ [ \-\- ]\ [ "ARGUMENTS FOR CLAUDE CODE" ]
.br
.B anyclaude
.IR "COMMAND " [ OPTIONS ]
.SH DESCRIPTION
Coding agents send 10,000 to 20,000 tokens of system prompt and tools with every request, and a local
model reads them for half a minute before its first word.
.B anyclaude
keeps what was computed (the KV cache) of every prefix, and shares it between turns, sessions and
terminals. It speaks the Anthropic Messages API, runs any GGUF model in its own engine, and starts
Claude Code on it.
.PP
The first terminal starts a daemon with the model, all others share it, and it ends with the last one.
Everything that is not listed here goes to Claude Code, and so does everything behind
.BR \-\- .
)";

constexpr std::string_view kEnd = R"(.SH ENVIRONMENT
.TP
.B ANYCLAUDE_MODE
As
.BR \-\-mode .
.TP
.B ANYCLAUDE_HOME
One folder for everything that is kept, instead of those below.
.TP
.B ANYCLAUDE_BACKEND_API_KEY
The key of the server that
.B \-\-backend\-url
names.
.TP
.BR HTTPS_PROXY ", " NO_PROXY ", " SSL_CERT_FILE
As elsewhere, for other servers.
.SH FILES
.TP
.I ~/.config/anyclaude/config.toml
The configuration;
.B anyclaude config keys
lists its keys.
.TP
.I ~/.cache/anyclaude
What was computed, and the answers; for its owner only.
.TP
.I ~/.local/state/anyclaude
The daemon's log, and what requests cost.
.SH EXIT STATUS
Claude Code's own; without it 0, 1 where something failed, and 2 where the command line or the
configuration cannot be used.
.SH EXAMPLES
.nf
anyclaude \-\-model ~/models/qwen3\-30b.gguf
ANYCLAUDE_MODE=mlx\-lm anyclaude \-\-model ~/models/qwen3\-4b\-mlx
anyclaude bench \-\-model demo \-\-svg chart.svg
.fi
.SH SEE ALSO
.BR claude (1)
)";

} // namespace

std::string man_page(const CommandText& program, const std::string& version) {
  std::string text =
      std::format(".TH ANYCLAUDE 1 \"\" \"anyclaude {}\" \"User Commands\"\n.nh\n.ad l\n", version);
  text += kBegin;
  text += ".SH OPTIONS\n";
  for (const OptionText& one : program.options)
    text += option(one);
  text += ".SH COMMANDS\n";
  for (const CommandText& next : program.commands)
    text += section(next, next.name);
  return text += kEnd;
}

} // namespace anyclaude::commands
