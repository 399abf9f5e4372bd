#include "upstream/sse_reader.h"

#include <utility>

namespace anyclaude::upstream {

bool SseReader::push(std::string_view bytes) {
  while (!bytes.empty() && !overflowed_) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const auto end = bytes.find_first_of("\r\n");
    if (end == std::string_view::npos)
      return add(bytes);
    after_cr_ = bytes[end] == '\r';
    if (line_.empty()) {
      line(bytes.substr(0, end)); // most lines come whole
    } else if (add(bytes.substr(0, end))) {
      line(std::exchange(line_, {}));
    }
    bytes.remove_prefix(end + 1);
  }
  return !overflowed_;
}

void SseReader::finish() {
  if (overflowed_)
    return;
  if (!line_.empty())
    line(std::exchange(line_, {}));
  dispatch();
}

bool SseReader::add(std::string_view part) {
  line_ += part;
  overflowed_ = overflowed_ || line_.size() + event_.data.size() > event_limit_;
  return !overflowed_;
}

void SseReader::line(std::string_view line) {
  if (std::exchange(first_line_, false) && line.starts_with("\xEF\xBB\xBF"))
    line.remove_prefix(3); // a byte order mark
  if (line.empty())
    return dispatch();
  const auto colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' '))
    value.remove_prefix(1);
  if (field.empty()) {
    if (handlers_.on_comment)
      handlers_.on_comment(value);
  } else if (field == "data") {
    if (std::exchange(has_data_, true))
      event_.data += '\n';
    event_.data += value;
    overflowed_ = overflowed_ || event_.data.size() > event_limit_;
  } else if (field == "event") {
    event_.name = value;
  }
}

void SseReader::dispatch() {
  SseEvent event = std::exchange(event_, {});
  if (std::exchange(has_data_, false) && handlers_.on_event)
    handlers_.on_event(event);
}

} // namespace anyclaude::upstream
