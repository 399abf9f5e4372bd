#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace anyclaude::upstream {

struct SseEvent {
  std::string name; // of the `event` field; empty: none was given
  std::string data; // its lines joined by "\n"
};

/// Reads server-sent events from a stream of bytes, cut anywhere. Lines end with LF, CRLF or CR.
/// Fields other than `event` and `data` are passed over. The result does not depend on where the
/// stream was cut. Not thread-safe.
/// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (9.2.6)
class SseReader {
 public:
  struct Handlers {
    std::function<void(const SseEvent&)> on_event;
    std::function<void(std::string_view)> on_comment; // without the colon and one blank behind it
  };

  explicit SseReader(Handlers handlers, std::size_t event_limit = 16 * 1024 * 1024)
      : handlers_(std::move(handlers)), event_limit_(event_limit) {}

  /// False once a line or an event is larger than the limit: the stream is none of events, or
  /// hostile, and is read no further.
  bool push(std::string_view bytes);

  /// Ends the stream. Unlike a browser it tells an event whose empty line is missing, since several
  /// servers leave out the last one; whether its data are whole is for their reader to say.
  void finish();

 private:
  bool add(std::string_view part);
  void line(std::string_view line);
  void dispatch();

  Handlers handlers_;
  std::size_t event_limit_;
  std::string line_; // the beginning of one that has not ended
  SseEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false; // a line feed that comes now belongs to the carriage return before it
  bool first_line_ = true;
  bool overflowed_ = false;
};

} // namespace anyclaude::upstream
