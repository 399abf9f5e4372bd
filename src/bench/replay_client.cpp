#include "bench/replay_client.h"

#include "bench/messages_client.h"

#include <format>
#include <random>

namespace anyclaude::bench {

namespace {

/// Digits: tokenizers make equally many tokens of them, whatever they are, and prompts are equally
/// long.
std::string new_mark() {
  std::random_device random;
  return std::format("Run {:08}.", std::uniform_int_distribution<int>(0, 99'999'999)(random));
}

std::string body_of(Json request, const launch::ClaudeConnection& connection) {
  request["model"] = connection.model_id;
  return request.dump();
}

Json user(const std::string& words) {
  return {{"role", "user"}, {"content", words}};
}

} // namespace

ReplayClient::ReplayClient(std::shared_ptr<const Prompt> prompt)
    : prompt_(std::move(prompt)), mark_(new_mark()) {}

bool ReplayClient::start_anew() {
  mark_ = new_mark();
  return true;
}

std::unique_ptr<Client> ReplayClient::another() const {
  auto other = std::make_unique<ReplayClient>(prompt_);
  other->mark_ = mark_;
  return other;
}

std::expected<double, std::string> ReplayClient::ask(const launch::ClaudeConnection& connection,
                                                     const Question& question) {
  if (question.continues && conversation_.is_object())
    conversation_["messages"].push_back(user(question.words));
  else
    conversation_ = prompt_->request(question.words, mark_);
  auto answer = ask_for_message(connection, body_of(conversation_, connection));
  if (!answer)
    return std::unexpected(answer.error());
  conversation_["messages"].push_back(
      {{"role", "assistant"}, {"content", std::move(answer->content)}});
  return answer->ttft_ms;
}

std::expected<std::shared_ptr<const Prompt>, std::string>
synthetic_prompt_of(std::int64_t tokens, const launch::ClaudeConnection& connection) {
  constexpr int kTries = 16;
  constexpr std::int64_t kNearEnough = 4;    // tokens
  constexpr std::size_t kManyCharacters = 6; // that a token may have
  const std::string mark = new_mark();
  const auto count = [&](const Prompt& prompt) {
    return count_tokens(connection,
                        body_of(prompt.request("What does this project do?", mark), connection));
  };
  const auto least = count(Prompt::synthetic(0));
  const auto usual = least ? count(Prompt::synthetic(1)) : least;
  if (!usual)
    return std::unexpected(usual.error());
  if (tokens < *least || *usual <= *least)
    return std::unexpected(
        std::format("a prompt of Claude Code's shape has {} tokens at least, and "
                    "there is room for {}",
                    *least, tokens));
  // Nearly as long first, and the rest is added to the last text.
  const double scale =
      0.98 * static_cast<double>(tokens - *least) / static_cast<double>(*usual - *least);
  std::size_t fits = 0;
  std::size_t too_many = 0; // characters; 0: not known yet
  for (int i = 0; i < kTries; ++i) {
    const std::size_t more = (fits + too_many) / 2;
    const auto counted = count(Prompt::synthetic(scale, more));
    if (!counted)
      return std::unexpected(counted.error());
    const std::int64_t missing = tokens - *counted;
    if (missing < 0) {
      too_many = more;
      continue;
    }
    fits = more;
    if (missing <= kNearEnough)
      break;
    if (i == 0)
      too_many = static_cast<std::size_t>(missing) * kManyCharacters;
  }
  return std::make_shared<const Prompt>(Prompt::synthetic(scale, fits));
}

} // namespace anyclaude::bench
