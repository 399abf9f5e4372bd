#include "backend/openai_answer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace anyclaude::backend {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;
using namespace std::chrono_literals;

constexpr std::size_t kBodyLimit = 16 * 1024 * 1024;
constexpr auto kLongestPause = 10'000ms;

bool is_event_stream(const upstream::Headers& headers) {
  return upstream::header(headers, "content-type").starts_with("text/event-stream");
}

std::chrono::milliseconds retry_after(const upstream::Headers& headers) {
  const auto value = upstream::header(headers, "retry-after");
  int seconds = 0;
  std::from_chars(value.data(), value.data() + value.size(), seconds);
  return std::chrono::seconds(std::clamp(seconds, 0, 3600));
}

} // namespace

void OpenAiAnswer::begin() {
  ask();
}

void OpenAiAnswer::cancel() {
  std::unique_ptr<upstream::Call> call; // destroyed without the lock: it waits for its handlers
  const std::scoped_lock lock(mutex_);
  cancelled_ = true;
  if (!answered_) // else it ends by itself in a moment, and its connection can be used again
    std::swap(call, call_);
}

void OpenAiAnswer::ask() {
  ++tried_;
  status_ = 0;
  body_.clear();
  stream_ = std::make_unique<ChatStream>(options_.stream, sink_);
  reader_ = std::make_unique<upstream::SseReader>(upstream::SseReader::Handlers{
      [this](const upstream::SseEvent& event) {
        answered_ = answered_ || (event.data == "[DONE]" && !stream_->ended());
        stream_->data(event.data);
      },
      [this](std::string_view comment) { stream_->comment(comment); }});
  upstream::Request request = options_.request;
  form_.max_completion_tokens = options_.learned->max_completion_tokens;
  form_.calls_as_text = options_.learned->calls_as_text;
  request.body = options_.chat.body(form_);
  upstream::Handlers handlers;
  const auto self = shared_from_this();
  handlers.on_head = [self](int status, const upstream::Headers& headers) {
    self->on_head(status, headers);
  };
  handlers.on_data = [self](std::string_view data) { self->on_data(data); };
  handlers.on_end = [self] { self->on_end(); };
  handlers.on_error = [self](const upstream::Failure& failure) { self->on_error(failure); };
  std::unique_ptr<upstream::Call> before;
  const std::scoped_lock lock(mutex_);
  if (cancelled_)
    return;
  before = std::exchange(call_, client_.send(std::move(request), std::move(handlers)));
}

void OpenAiAnswer::ask_after(std::chrono::milliseconds time) {
  std::unique_ptr<upstream::Call> before;
  const std::scoped_lock lock(mutex_);
  if (!cancelled_)
    before =
        std::exchange(call_, client_.after(time, [self = shared_from_this()] { self->ask(); }));
}

void OpenAiAnswer::on_head(int status, const upstream::Headers& headers) {
  status_ = status;
  streams_ = status == 200 && is_event_stream(headers);
  retry_after_ = retry_after(headers);
  if (options_.affinity)
    options_.affinity->look_at(options_.session_key, headers);
}

void OpenAiAnswer::on_data(std::string_view data) {
  if (stream_->ended())
    return;
  if (!streams_) {
    if (body_.size() + data.size() <= kBodyLimit)
      body_ += data;
    return;
  }
  if (!reader_->push(data))
    stream_->fail({ErrorKind::api, options_.stream.server + " sent an event that is too large"});
  if (stream_->ended() && !answered_)
    over(); // a stop sequence, or a fault: what else would come is not wanted
}

void OpenAiAnswer::on_end() {
  if (status_ != 200)
    return on_refusal();
  if (streams_)
    reader_->finish();
  else
    stream_->whole(body_);
  stream_->end();
  learn();
  over();
}

void OpenAiAnswer::on_error(const upstream::Failure& failure) {
  if (stream_->ended())
    return over();
  if (failure.kind == upstream::FailureKind::unreachable && try_again(0ms))
    return;
  doubt();
  fail(error_of_failure(failure, tried_, options_.dialect, options_.base_url));
}

/// An answer that is an error: nothing was computed.
void OpenAiAnswer::on_refusal() {
  if ((status_ == 429 || status_ == 503) && try_again(retry_after_))
    return;
  if (status_ == 400 && adapt())
    return ask();
  if (status_ == 400 || status_ == 413 || status_ == 422 || status_ == 500) {
    if (const auto refused = context_refusal(body_)) {
      // Some servers refuse where prompt and longest answer together do not fit.
      const std::int64_t room = refused->context - refused->prompt - 1;
      if (refused->prompt > 0 && room > 0 && room < form_.max_tokens &&
          !std::exchange(shortened_, true)) {
        spdlog::debug("{}: the answer may have {} tokens, since {} of {} are the prompt's",
                      options_.stream.server, room, refused->prompt, refused->context);
        form_.max_tokens = static_cast<int>(room);
        return ask();
      }
      const std::int64_t prompt =
          std::max({refused->prompt, refused->context, options_.stream.estimated_prompt});
      // The client reads the numbers from this very sentence.
      return fail({ErrorKind::invalid_request,
                   "prompt is too long: " + std::to_string(prompt) + " tokens > " +
                       std::to_string(std::max<std::int64_t>(refused->context - 1, 1)) +
                       " maximum"});
    }
  }
  if (status_ >= 500)
    doubt();
  fail(error_of_status(status_, body_, options_.dialect, options_.base_url));
}

/// Takes the form that the server asks for; once for each.
bool OpenAiAnswer::adapt() {
  if (body_.contains("max_completion_tokens") && body_.contains("nsupported") &&
      !options_.learned->max_completion_tokens.exchange(true))
    return true;
  if (body_.contains("--enable-auto-tool-choice") &&
      !options_.learned->calls_as_text.exchange(true)) {
    spdlog::warn(
        "{} has no parser for tool calls; they are read from its text. Better: start it with "
        "--enable-auto-tool-choice --tool-call-parser PARSER",
        options_.stream.server);
    return true;
  }
  return false;
}

bool OpenAiAnswer::try_again(std::chrono::milliseconds advised) {
  if (tried_ >= options_.tries || advised > kLongestPause)
    return false;
  const auto pause = std::max(advised, options_.pause * (1 << (tried_ - 1)));
  ask_after(pause);
  return true;
}

void OpenAiAnswer::fail(Error error) {
  stream_->fail(std::move(error));
  over();
}

void OpenAiAnswer::doubt() {
  if (const auto server = options_.server.lock())
    server->doubt();
}

/// How many bytes of a prompt are a token of this server's model.
void OpenAiAnswer::learn() {
  constexpr std::int64_t kEnough = 64;
  const auto& prompt = stream_->usage().prompt;
  if (prompt && *prompt >= kEnough)
    options_.learned->bytes_per_token =
        static_cast<double>(options_.chat.prompt_bytes()) / static_cast<double>(*prompt);
}

/// Lets go of the call; where the answer ended before the stream did, that closes its connection.
void OpenAiAnswer::over() {
  std::unique_ptr<upstream::Call> call;
  const std::scoped_lock lock(mutex_);
  std::swap(call, call_);
}

} // namespace anyclaude::backend
