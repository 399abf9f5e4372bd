#pragma once

#include "anthropic/events.h"
#include "gateway/http_server.h"
#include "gateway/request_account.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::gateway {

/// One answer to POST /v1/messages, from the backend's events to the client's bytes, and what it
/// cost. The backend's sink owns it, so it lives as long as the backend has something to say; when
/// the backend lets go of it unfinished the client gets an error. Thread-safe.
class MessageAnswer {
 public:
  struct Options {
    bool stream = false;
    std::string message_id;
    std::string request_id;
    std::string model; // as the client named it
    std::chrono::seconds retry_after{0};
    std::chrono::steady_clock::time_point received;
    telemetry::Live* live = nullptr; // hears of every step; outlives the answer
    telemetry::RequestRecord record; // what is known before the answer
    RequestAccount::OnEnd on_end;
  };

  MessageAnswer(std::shared_ptr<Responder> responder, Options options);
  ~MessageAnswer();
  MessageAnswer(const MessageAnswer&) = delete;
  MessageAnswer& operator=(const MessageAnswer&) = delete;

  /// One event of the backend. Those before open() wait for it.
  void on_event(anthropic::Event event);

  /// The backend has begun: a stream sends its headers and a ping now.
  void open();

  /// The same as soon as the backend says the first word of its answer, or open() is called: a
  /// failure until then becomes the HTTP status.
  void open_with_first_word();

  /// The backend did not begin.
  void refuse(const anthropic::Error& error);

  /// The backend did not begin, and another way to answer was found: nothing more is said or
  /// counted.
  void dismiss();

  void ping();

  /// Nobody listens any more.
  void client_left();

 private:
  void open_now();
  void handle(const anthropic::Event& event);
  void measure(const anthropic::Event& event);
  void show(const anthropic::Event& event) const;
  void reply(const anthropic::Error& error);
  void end(int status);
  double prefill_ms() const;

  struct Progress {
    double ms = 0; // since the request was received
    std::int64_t tokens = 0;
  };

  const std::shared_ptr<Responder> responder_;
  const Options options_;
  std::mutex mutex_;
  anthropic::SseEncoder encoder_;
  anthropic::MessageBuilder builder_;
  std::vector<anthropic::Event> early_; // before open()
  bool opens_itself_ = false;           // with the first word
  bool open_ = false;
  bool ended_ = false;
  std::optional<Progress> first_progress_;
  RequestAccount account_;
};

} // namespace anyclaude::gateway
