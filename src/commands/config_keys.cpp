#include "commands/config.h"

namespace anyclaude::commands {

// docs/configuration.md has this table as `anyclaude config keys` prints it; a test compares them.
std::span<const ConfigKey> config_keys() {
  static constexpr ConfigKey keys[] = {
      {"mode", "text", "`local`",
       "who answers: a mode (docs/guides/modes.md), or the NAME of a backend below"},
      {"menu", "true or false", "`true`",
       "whether `anyclaude` at a terminal asks what you are about to do"},
      {"model", "text", "none", "a GGUF file; for a mode with a server, what that serves"},
      {"mmproj", "text", "one beside the model",
       "a GGUF file that lets the model see images, or `none` (docs/images.md)"},
      {"context", "whole number", "what model and memory allow", "context in tokens"},
      {"host", "text", "`127.0.0.1`", "address that `anyclaude serve` listens on"},
      {"port", "whole number", "any free one", "TCP port"},
      {"token", "text", "a new one", "bearer token that clients need"},
      {"claude", "text", "found in PATH", "Claude Code's program"},
      {"claude_url", "text", "`https://api.anthropic.com`",
       "where mode `claude` and routes to it go"},
      {"prompt.layout", "text", "`stable-first`", "or `as-sent` (docs/prompt-layout.md)"},
      {"store.exclude", "list of folders", "none",
       "what is said below them is not kept on the disk"},
      {"backends.NAME.kind", "text", "the NAME",
       "a mode with a server, `openai`, or `local`: another model in our own engine"},
      {"backends.NAME.url", "text", "found on this machine", "the server's address, without `/v1`"},
      {"backends.NAME.replicas", "list of texts", "none", "addresses of servers that answer alike"},
      {"backends.NAME.model", "text", "what it serves",
       "a folder, a GGUF file or a name, as the kind takes it"},
      {"backends.NAME.api_key_env", "text", "none", "the environment variable that holds its key"},
      {"backends.NAME.api_key_file", "text", "none", "the file that holds its key"},
      {"backends.NAME.context", "whole number", "what it says, or memory allows",
       "context in tokens"},
      {"routes.to", "text or list", "none",
       "backends, the first that is up; `NAME:MODEL` asks for a model"},
      {"routes.model", "text", "any", "holds for requested models like this (`*haiku*`)"},
      {"routes.background", "true or false", "either",
       "holds for titles, summaries and subagents, or for all others"},
      {"routes.subagent", "true or false", "either",
       "holds for Claude Code's subagents, or for all others"},
      {"routes.tools", "true or false", "either", "holds for requests with tools, or without"},
      {"routes.server_tools", "true or false", "either",
       "holds for requests that a web search or another tool of Anthropic's servers is offered in"},
      {"routes.min_tokens", "whole number", "any",
       "holds from this estimated length of the prompt on"},
      {"routes.max_tokens", "whole number", "any",
       "holds up to this estimated length of the prompt"},
      {"fallback.to", "text or list", "none",
       "backends that answer where no route holds and the mode's is down"},
      {"fallback.cloud", "true or false", "`false`",
       "the real Claude may stand in: prompts then leave this machine"},
  };
  return keys;
}

} // namespace anyclaude::commands
