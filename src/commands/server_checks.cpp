#include "commands/server_checks.h"

#include "upstream/url.h"

#include <algorithm>
#include <format>
#include <fstream>
#include <sstream>

namespace anyclaude::commands {

namespace {

constexpr int kClaudeCodePrompt = 20'000; // tokens, of tools and system text alone
constexpr int kComfortable = 32'000;      // tokens
constexpr double kTooFastToTell = 0.25;   // seconds
constexpr double kReuses = 3;             // times faster, where nothing is reported

/// How each kind is told its context.
std::string context_advice(std::string_view mode) {
  if (mode == "llama-cpp")
    return "start it with -c 65536";
  if (mode == "vllm")
    return "start it with --max-model-len 65536";
  if (mode == "sglang")
    return "start it with --context-length 65536";
  if (mode == "tensorrt-llm")
    return "start it with --max_seq_len 65536";
  if (mode == "ollama")
    return "start it with OLLAMA_CONTEXT_LENGTH=65536";
  if (mode == "lmstudio")
    return "load the model with `lms load MODEL --context-length 65536`";
  return "give it more";
}

std::string cache_advice(std::string_view mode) {
  if (mode == "llama-cpp")
    return "is it started with --no-cache-prompt or --cache-ram 0? And the model may be of a kind "
           "that "
           "it cannot reuse (sliding window, hybrid): mode local can";
  if (mode == "vllm")
    return "is it started with --no-enable-prefix-caching?";
  if (mode == "sglang")
    return "is it started with --disable-radix-cache?";
  if (mode == "tensorrt-llm")
    return "its --config needs kv_cache_config: {enable_block_reuse: true}";
  if (mode == "mlx-lm")
    return "is --prompt-cache-size 0, or is the model hybrid? Mode local reuses hybrid models";
  return "mode local keeps what it computes";
}

std::string report_advice(std::string_view mode) {
  if (mode == "vllm")
    return "; to see it in usage, start it with --enable-prompt-tokens-details";
  if (mode == "sglang")
    return "; to see it in usage, start it with --enable-cache-report";
  return "";
}

std::string mode_of(const launch::FoundServer& server) {
  return server.kind ? std::string(server.kind->mode) : "openai";
}

Finding check_context(const launch::FoundServer& server) {
  const int context = server.context_tokens;
  const std::string advice = context_advice(mode_of(server));
  if (context == 0)
    return {Verdict::note,
            mode_of(server) == "ollama"
                ? "nothing is loaded, so its context is not known; its default cuts long "
                  "prompts without a word: " +
                      advice
                : "it does not say how long its context is"};
  if (context < kClaudeCodePrompt)
    return {Verdict::wrong,
            std::format("a context of {} tokens is too small: Claude Code's tools and "
                        "system text alone are 10,000 to 20,000. Mend it: {}",
                        context, advice)};
  if (context < kComfortable)
    return {Verdict::note, std::format("a context of {} tokens is soon full: {}", context, advice)};
  return {Verdict::ok, std::format("context of {} tokens", context)};
}

Finding judge_refusal(const launch::FoundServer& server, const RefusedMeasurement& refused) {
  const std::string& words = refused.message;
  if (words.contains("tool-call-parser") || words.contains("enable-auto-tool-choice"))
    return {Verdict::wrong, "it refuses tools: start it with --enable-auto-tool-choice and "
                            "--tool-call-parser (docs/guides/modes.md says which)"};
  if (words.contains("huggingface.co") || words.contains("Repository Not Found"))
    return {Verdict::wrong,
            "it takes names of hub models only, no path of this machine: update it "
            "(`pip install -U mlx-omni-server`), or use mode mlx-lm, which takes both"};
  return {Verdict::wrong,
          std::format("{} answers {}: {}", server.kind ? server.kind->title : "it",
                      refused.status > 0 ? std::to_string(refused.status) : "nothing", words)};
}

} // namespace

std::vector<Finding> check_server(const launch::FoundServer& server) {
  if (server.loading)
    return {{Verdict::note, "it is loading its model; ask again"}};
  std::vector<Finding> findings = {check_context(server)};
  if (const auto url = upstream::parse_url(server.url);
      url && is_open_to_other_machines(url->origin.port))
    findings.push_back({Verdict::wrong,
                        "it listens on all interfaces, so other machines reach it without "
                        "a key: start it with --host 127.0.0.1"});
  return findings;
}

Finding judge_reuse(const launch::FoundServer& server,
                    const std::expected<ReuseMeasurement, RefusedMeasurement>& measured) {
  if (!measured)
    return judge_refusal(server, measured.error());
  const MeasuredAnswer& cold = measured->cold;
  const MeasuredAnswer& warm = measured->warm;
  const double ratio = warm.first_token_s > 0 ? cold.first_token_s / warm.first_token_s : 0;
  const std::string times = std::format("first token {:.2f} s cold, {:.2f} s warm ({:.1f}x)",
                                        cold.first_token_s, warm.first_token_s, ratio);
  const std::string mode = mode_of(server);
  if (warm.cached_tokens && warm.prompt_tokens > 0 &&
      *warm.cached_tokens * 10 >= warm.prompt_tokens * 8)
    return {Verdict::ok, std::format("it reuses: {} of {} tokens; {}", *warm.cached_tokens,
                                     warm.prompt_tokens, times)};
  if (!warm.cached_tokens && ratio >= kReuses)
    return {Verdict::ok,
            std::format("it reuses, and does not report it: {}{}", times, report_advice(mode))};
  if (!warm.cached_tokens && cold.first_token_s < kTooFastToTell)
    return {Verdict::note, std::format("too fast to tell ({}); ask with a longer --tokens", times)};
  std::string found = "it computes everything again";
  if (warm.cached_tokens && *warm.cached_tokens > 0)
    found = std::format("it reuses {} of {} tokens only", *warm.cached_tokens, warm.prompt_tokens);
  return {Verdict::wrong, std::format("{}: {}. {}", found, times, cache_advice(mode))};
}

bool is_open_to_other_machines(std::uint16_t port) {
  const std::string hex = std::format(":{:04X}", port);
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string number;
      std::string local;
      std::string remote;
      std::string state;
      words >> number >> local >> remote >> state;
      const bool listens = state == "0A"; // TCP_LISTEN
      if (listens && local.ends_with(hex) &&
          std::ranges::all_of(local.substr(0, local.find(':')), [](char c) { return c == '0'; }))
        return true;
    }
  }
  return false;
}

} // namespace anyclaude::commands
