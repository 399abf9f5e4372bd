#include "gateway/message_answer.h"

#include "gateway/answers.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace anyclaude::gateway {
namespace {

/// Whether a client sees a part of the answer in this event.
bool has_content(const anthropic::Event& event) {
  if (const auto* text = std::get_if<anthropic::TextDelta>(&event)) {
    return !text->text.empty();
  }
  if (const auto* thinking = std::get_if<anthropic::ThinkingDelta>(&event)) {
    return !thinking->thinking.empty();
  }
  if (const auto* input = std::get_if<anthropic::ToolInputDelta>(&event)) {
    return !input->partial_json.empty();
  }
  return false;
}

/// The first event that decides how the answer begins; null: none has come.
const anthropic::Event* first_word(const std::vector<anthropic::Event>& events) {
  const auto found = std::ranges::find_if(events, [](const anthropic::Event& event) {
    return !std::holds_alternative<anthropic::PrefillProgress>(event);
  });
  return found == events.end() ? nullptr : &*found;
}

} // namespace

MessageAnswer::MessageAnswer(std::shared_ptr<Responder> responder, Options options)
    : responder_(std::move(responder)), options_(std::move(options)),
      encoder_(options_.message_id, options_.model, options_.request_id),
      builder_(options_.message_id, options_.model),
      account_(options_.record, options_.received, options_.live, options_.on_end) {}

MessageAnswer::~MessageAnswer() {
  if (ended_) {
    return;
  }
  const anthropic::Error lost{anthropic::ErrorKind::api,
                              "The model stopped without an end. Send the request again."};
  if (open_) {
    handle(anthropic::Failed{lost});
  } else {
    reply(lost);
  }
}

void MessageAnswer::on_event(anthropic::Event event) {
  const std::scoped_lock lock(mutex_);
  if (ended_) {
    return;
  }
  measure(event);
  show(event);
  if (open_) {
    handle(event);
  } else {
    early_.push_back(std::move(event));
    if (opens_itself_ && first_word(early_) != nullptr) {
      open_now();
    }
  }
}

void MessageAnswer::open() {
  const std::scoped_lock lock(mutex_);
  open_now();
}

void MessageAnswer::open_with_first_word() {
  const std::scoped_lock lock(mutex_);
  opens_itself_ = true;
  if (first_word(early_) != nullptr) {
    open_now();
  }
}

void MessageAnswer::open_now() {
  if (ended_ || std::exchange(open_, true)) {
    return;
  }
  const anthropic::Event* first = first_word(early_);
  if (const auto* failed = first != nullptr ? std::get_if<anthropic::Failed>(first) : nullptr) {
    reply(failed->error); // the status is still ours to choose
    return;
  }
  if (options_.stream) {
    responder_->begin(200, {{"content-type", "text/event-stream; charset=utf-8"},
                            {"cache-control", "no-cache"},
                            {"request-id", options_.request_id}});
    responder_->write(anthropic::SseEncoder::ping());
  }
  for (const anthropic::Event& event : std::exchange(early_, {})) {
    handle(event);
  }
}

void MessageAnswer::refuse(const anthropic::Error& error) {
  const std::scoped_lock lock(mutex_);
  if (!ended_) {
    reply(error);
  }
}

void MessageAnswer::dismiss() {
  const std::scoped_lock lock(mutex_);
  ended_ = true;
}

void MessageAnswer::ping() {
  const std::scoped_lock lock(mutex_);
  if (open_ && !ended_) {
    responder_->write(anthropic::SseEncoder::ping());
  }
}

void MessageAnswer::client_left() {
  const std::scoped_lock lock(mutex_);
  if (!ended_) {
    end(kClientLeft);
  }
}

/// Measured when the backend speaks, also before the headers are out.
void MessageAnswer::measure(const anthropic::Event& event) {
  if (const auto* progress = std::get_if<anthropic::PrefillProgress>(&event)) {
    if (!first_progress_) {
      first_progress_ = Progress{account_.elapsed_ms(), progress->done};
    }
    account_.record.prompt_tokens = progress->total;
  } else if (const auto* started = std::get_if<anthropic::Started>(&event)) {
    account_.count(started->usage);
    account_.record.prefill_ms = prefill_ms();
  } else if (const auto* finished = std::get_if<anthropic::Finished>(&event)) {
    account_.count(finished->usage);
  }
  if (has_content(event)) {
    account_.said_something();
  }
}

void MessageAnswer::show(const anthropic::Event& event) const {
  if (options_.live == nullptr) {
    return;
  }
  if (const auto* progress = std::get_if<anthropic::PrefillProgress>(&event)) {
    options_.live->prefilled(account_.record.id, progress->done, progress->total);
  } else if (std::holds_alternative<anthropic::Started>(event)) {
    options_.live->answering(account_.record.id, account_.record.reused_tokens,
                             account_.record.prompt_tokens);
  } else if (has_content(event)) {
    options_.live->sent_piece(account_.record.id);
  }
}

/// The first progress comes when a part is already computed, after an unknown time in the queue;
/// the pace from there on stands for the whole. A prefill of one piece leaves only the whole time.
double MessageAnswer::prefill_ms() const {
  const double now = account_.elapsed_ms();
  if (!first_progress_ || first_progress_->tokens >= account_.record.prompt_tokens) {
    return now;
  }
  return (now - first_progress_->ms) * static_cast<double>(account_.record.computed_tokens) /
         static_cast<double>(account_.record.prompt_tokens - first_progress_->tokens);
}

void MessageAnswer::handle(const anthropic::Event& event) {
  if (ended_) {
    return;
  }
  const auto* failed = std::get_if<anthropic::Failed>(&event);
  const bool finished = std::holds_alternative<anthropic::Finished>(event);
  if (!options_.stream) {
    builder_.add(event);
    if (failed != nullptr) {
      reply(failed->error);
    } else if (finished) {
      end(200);
      responder_->respond(200, json_headers(options_.request_id), builder_.body());
    }
    return;
  }
  const bool last = failed != nullptr || finished;
  if (last) {
    end(failed != nullptr ? anthropic::http_status(failed->error.kind) : 200);
  }
  std::string frames = encoder_.encode(event);
  if (!frames.empty()) {
    responder_->write(std::move(frames));
  }
  if (last) {
    responder_->end();
  }
}

void MessageAnswer::reply(const anthropic::Error& error) {
  ErrorReply reply = error_reply(error, options_.request_id, options_.retry_after);
  end(reply.status);
  responder_->respond(reply.status, std::move(reply.headers), std::move(reply.body));
}

/// Before the last byte goes out: who asks for the numbers after an answer finds it counted.
void MessageAnswer::end(int status) {
  ended_ = true;
  account_.end(status);
}

} // namespace anyclaude::gateway
