#include "gateway/exchange.h"

#include "gateway/http_text.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace anyclaude::gateway {
namespace {

bool has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

class PostingResponder : public Responder {
 public:
  PostingResponder(std::shared_ptr<Gate> gate, std::shared_ptr<Exchange> exchange)
      : gate_(std::move(gate)), exchange_(std::move(exchange)) {}

  ~PostingResponder() override {
    post([](Exchange& exchange) {
      exchange.abandon("The server gave no answer. This is a fault of the server.");
    });
  }

  void respond(int status, Headers headers, std::string body) override {
    post([status, headers = std::move(headers), body = std::move(body)](Exchange& exchange) {
      exchange.respond(status, headers, body);
    });
  }
  void begin(int status, Headers headers) override {
    post([status, headers = std::move(headers)](Exchange& exchange) {
      exchange.begin(status, headers);
    });
  }
  /// What is written before the socket thread gets to it goes out in one piece.
  void write(std::string chunk) override {
    const std::scoped_lock lock(unsent_->mutex);
    unsent_->text += chunk;
    if (std::exchange(unsent_->posted, true)) {
      return;
    }
    post([unsent = unsent_](Exchange& exchange) {
      std::string text;
      {
        const std::scoped_lock taking(unsent->mutex);
        std::swap(text, unsent->text);
        unsent->posted = false;
      }
      exchange.write(text);
    });
  }
  void end() override {
    post([](Exchange& exchange) { exchange.end(); });
  }
  void on_disconnect(std::function<void()> callback) override {
    post([callback = std::move(callback)](Exchange& exchange) mutable {
      exchange.on_disconnect(std::move(callback));
    });
  }
  void every(std::chrono::milliseconds period, std::function<void()> callback) override {
    post([period, callback = std::move(callback)](Exchange& exchange) mutable {
      exchange.every(period, std::move(callback));
    });
  }

 private:
  struct Unsent {
    std::mutex mutex;
    std::string text;
    bool posted = false; // to the socket thread, which takes the text
  };

  /// Does it on the socket thread.
  template <typename Function>
  void post(Function work) {
    gate_->post([exchange = exchange_, work = std::move(work)]() mutable {
      exchange->attempt([&] { work(*exchange); });
    });
  }

  std::shared_ptr<Gate> gate_;
  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<Unsent> unsent_ = std::make_shared<Unsent>();
};

} // namespace

void Exchange::respond(int status, const Headers& headers, const std::string& body) {
  if (begun_ || ended_ || broken_) {
    return;
  }
  begun_ = true;
  const BodyFraming framing = has_body(status) ? BodyFraming::length : BodyFraming::none;
  output_ += answer_head({.status = status,
                          .headers = headers,
                          .framing = framing,
                          .length = body.size(),
                          .keep_alive = traits_.keep_alive,
                          .http_1_0 = traits_.http_1_0});
  if (framing == BodyFraming::length && !traits_.head_request) {
    output_ += body;
  }
  complete();
}

void Exchange::begin(int status, const Headers& headers) {
  if (begun_ || ended_ || broken_) {
    return;
  }
  begun_ = true;
  const std::optional<std::size_t> length = stated_length(headers);
  chunked_ = has_body(status) && !length && !traits_.http_1_0;
  BodyFraming framing = chunked_ ? BodyFraming::chunked : BodyFraming::none;
  if (has_body(status) && length) {
    framing = BodyFraming::length;
    missing_ = *length;
  } else if (has_body(status) && traits_.http_1_0) {
    framing = BodyFraming::until_closed;
    traits_.keep_alive = false;
  }
  output_ += answer_head({.status = status,
                          .headers = headers,
                          .framing = framing,
                          .length = missing_,
                          .keep_alive = traits_.keep_alive,
                          .http_1_0 = traits_.http_1_0});
  wake();
}

void Exchange::write(const std::string& chunk) {
  if (!begun_ || ended_ || broken_ || traits_.head_request) {
    return;
  }
  if (chunked_) {
    append_chunk(output_, chunk);
  } else {
    output_ += chunk;
    missing_ -= std::min(missing_, chunk.size());
  }
  if (output_.size() + in_flight_ > unsent_limit_) {
    cut();
  }
  wake();
}

void Exchange::end() {
  if (!begun_ || ended_ || broken_) {
    return;
  }
  if (missing_ > 0 && !traits_.head_request) { // the client must see that it is not the whole
    cut();
    return wake();
  }
  if (chunked_ && !traits_.head_request) {
    output_ += kLastChunk;
  }
  complete();
}

void Exchange::abandon(const std::string& message) {
  if (ended_ || broken_) {
    return;
  }
  if (begun_) {
    cut();
    wake();
    return;
  }
  const ErrorAnswer answer = make_error_(500, message);
  respond(500, answer.headers, answer.body);
}

void Exchange::on_disconnect(std::function<void()> callback) {
  if (ended_) {
    return;
  }
  if (left_ || broken_) {
    callback();
    return;
  }
  on_disconnect_ = std::move(callback);
}

void Exchange::every(std::chrono::milliseconds period, std::function<void()> callback) {
  if (ended_ || left_ || broken_) {
    return;
  }
  timers_.push_back(
      {std::make_unique<boost::asio::steady_timer>(io_), period, std::move(callback)});
  run_timer(timers_.size() - 1);
}

void Exchange::run_timer(std::size_t index) {
  Periodic& periodic = timers_[index];
  periodic.timer->expires_after(periodic.period);
  periodic.timer->async_wait(
      [weak = weak_from_this(), index](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self || index >= self->timers_.size()) {
          return;
        }
        const auto callback = self->timers_[index].callback; // it may outlive the entry
        self->attempt([&] {
          callback();
          if (index < self->timers_.size()) {
            self->run_timer(index);
          }
        });
      });
}

void Exchange::client_left() {
  if (std::exchange(left_, true) || ended_) {
    return;
  }
  const auto callback = std::move(on_disconnect_);
  release();
  if (callback) {
    attempt(callback);
  }
}

void Exchange::cut() {
  if (std::exchange(broken_, true)) {
    return;
  }
  output_.clear();
  client_left();
}

void Exchange::fail(const std::exception& error) {
  spdlog::error("An answer ended by a fault of the server: {}", error.what());
  cut();
  wake();
}

void Exchange::complete() {
  ended_ = true;
  release();
  wake();
}

/// Lets go of what works for this exchange.
void Exchange::release() {
  const auto timers = std::move(timers_);
  const auto callback = std::exchange(on_disconnect_, nullptr);
  timers_.clear();
}

void Exchange::wake() const {
  if (wake_) {
    wake_();
  }
}

std::shared_ptr<Responder> make_responder(std::shared_ptr<Gate> gate,
                                          std::shared_ptr<Exchange> exchange) {
  return std::make_shared<PostingResponder>(std::move(gate), std::move(exchange));
}

} // namespace anyclaude::gateway
