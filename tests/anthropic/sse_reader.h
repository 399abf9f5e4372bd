#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anyclaude {

struct SseEvent {
  std::string event;
  std::string data;
  bool operator==(const SseEvent&) const = default;
};

/// Reads server-sent events by the letter of
/// https://html.spec.whatwg.org/#event-stream-interpretation and shares no code with the encoder.
/// Feed the stream in any pieces.
class SseReader {
 public:
  std::vector<SseEvent> push(std::string_view bytes) {
    std::vector<SseEvent> out;
    for (const char c : bytes) {
      const bool after_cr = after_cr_;
      after_cr_ = c == '\r';
      if (c == '\n' && after_cr) {
        continue;
      }
      if (c == '\n' || c == '\r') {
        end_line(out);
        line_.clear();
      } else {
        line_ += c;
      }
    }
    return out;
  }

  bool at_border() const { return line_.empty() && data_.empty() && event_.empty(); }

 private:
  void end_line(std::vector<SseEvent>& out) {
    if (line_.empty()) {
      if (!data_.empty()) {
        data_.pop_back(); // the last newline
        out.push_back({event_.empty() ? "message" : event_, data_});
      }
      data_.clear();
      event_.clear();
      return;
    }
    const auto colon = line_.find(':');
    const std::string field = line_.substr(0, colon);
    std::string value = colon == std::string::npos ? std::string() : line_.substr(colon + 1);
    if (value.starts_with(' ')) {
      value.erase(0, 1);
    }
    if (field == "event") {
      event_ = value;
    } else if (field == "data") {
      data_ += value + '\n';
    }
  }

  std::string line_;
  std::string event_;
  std::string data_;
  bool after_cr_ = false;
};

} // namespace anyclaude
