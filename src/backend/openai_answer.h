#pragma once

#include "backend/backend.h"
#include "backend/chat_stream.h"
#include "backend/openai_dialect.h"
#include "backend/openai_error.h"
#include "backend/openai_request.h"
#include "backend/openai_server.h"
#include "backend/session_affinity.h"
#include "upstream/client.h"
#include "upstream/sse_reader.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

namespace anyclaude::backend {

/// What answers have taught about a server. Thread-safe.
struct Learned {
  std::atomic<double> bytes_per_token;
  std::atomic<bool> max_completion_tokens = false; // see BodyForm
  std::atomic<bool> calls_as_text = false;
};

/// One answer of a server, asked for until it comes or cannot come. Lives on the client's thread;
/// the rest of its functions may be called from any.
class OpenAiAnswer : public std::enable_shared_from_this<OpenAiAnswer> {
 public:
  struct Options {
    const OpenAiDialect& dialect;
    std::string base_url;
    upstream::Request request; // without a body
    ChatRequest chat;          // its body
    int max_tokens = 0;
    ChatStream::Options stream;
    int tries = 3;
    std::chrono::milliseconds pause{250};
    std::weak_ptr<OpenAiServer> server;
    std::shared_ptr<Learned> learned;
    std::shared_ptr<SessionAffinity> affinity;
    std::string session_key; // of the conversation
  };

  OpenAiAnswer(Options options, upstream::Client& client, EventSink sink)
      : options_(std::move(options)), client_(client), sink_(std::move(sink)),
        form_{.max_tokens = options_.max_tokens} {}

  void begin();
  /// Nothing is said after this has returned.
  void cancel();

 private:
  void ask();
  void ask_after(std::chrono::milliseconds time);
  void on_head(int status, const upstream::Headers& headers);
  void on_data(std::string_view data);
  void on_end();
  void on_error(const upstream::Failure& failure);
  void on_refusal();
  bool adapt();
  bool try_again(std::chrono::milliseconds advised);
  void fail(anthropic::Error error);
  void learn();
  void over();
  void doubt();

  Options options_;
  upstream::Client& client_;
  EventSink sink_;
  std::atomic<bool> answered_ = false; // all of it has come; the connection is still of use
  std::mutex mutex_;                   // of call_ and cancelled_
  std::unique_ptr<upstream::Call> call_;
  bool cancelled_ = false;
  int tried_ = 0;
  BodyForm form_;
  bool shortened_ = false; // its max_tokens, since the server asked for it
  int status_ = 0;
  bool streams_ = false;
  std::chrono::milliseconds retry_after_{0};
  std::string body_; // of an answer that is no stream
  std::unique_ptr<ChatStream> stream_;
  std::unique_ptr<upstream::SseReader> reader_;
};

} // namespace anyclaude::backend
