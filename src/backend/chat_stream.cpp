#include "backend/chat_stream.h"

#include "backend/openai_error.h"
#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace anyclaude::backend {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;

/// A member that is there and not null.
const Json* member(const Json& object, const char* key) {
  if (!object.is_object())
    return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// A number of tokens; what cannot be one is as if it were not there.
void take_count(const Json& object, const char* key, std::optional<std::int64_t>& into) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  const Json* value = member(object, key);
  if (value == nullptr || !value->is_number_integer())
    return;
  const auto count = value->get<std::int64_t>();
  if (count >= 0 && count <= kMost)
    into = count;
}

/// Text, or the texts of a list of parts.
std::string text_of(const Json& value) {
  if (value.is_string())
    return value.get<std::string>();
  std::string text;
  if (value.is_array())
    for (const Json& part : value)
      if (const Json* piece = member(part, "text"); piece != nullptr && piece->is_string())
        text += piece->get<std::string>();
  return text;
}

answer::Format plain(answer::Format format) {
  format.dialect = {};
  return format;
}

} // namespace

ChatStream::ChatStream(Options options, EventSink sink)
    : options_(std::move(options)), sink_(std::move(sink)), writer_(options_.format),
      stops_(options_.stop_sequences) {}

void ChatStream::fail(Error error) {
  if (!std::exchange(ended_, true))
    sink_(anthropic::Failed{std::move(error)});
}

void ChatStream::data(std::string_view data) {
  if (ended_)
    return;
  if (data == "[DONE]") {
    done_ = true;
    return finish();
  }
  Json json = Json::parse(data, nullptr, false);
  if (json.is_discarded()) // a character that was cut between two chunks
    json = Json::parse(text::to_valid_utf8(data), nullptr, false);
  if (!json.is_object())
    return fail({ErrorKind::api, options_.server + " sent what is no part of an answer: " +
                                     error_text(data.substr(0, 200))});
  chunk(json);
}

void ChatStream::whole(std::string_view body) {
  data(body);
  done_ = true;
  finish();
}

void ChatStream::end() {
  if (ended_)
    return;
  if (done_ || !finish_reason_.empty())
    return finish();
  fail(
      {ErrorKind::api, options_.server + " ended its answer without an end. Its log may say why."});
}

/// mlx_lm's ": keepalive 512/18490" while it computes the prompt.
void ChatStream::comment(std::string_view text) {
  constexpr std::string_view kWord = "keepalive ";
  if (ended_ || started_ || !text.starts_with(kWord))
    return;
  text.remove_prefix(kWord.size());
  anthropic::PrefillProgress progress;
  const char* const end = text.data() + text.size();
  const auto done = std::from_chars(text.data(), end, progress.done);
  if (done.ec != std::errc() || done.ptr == end || *done.ptr != '/')
    return;
  if (std::from_chars(done.ptr + 1, end, progress.total).ec == std::errc())
    sink_(progress);
}

void ChatStream::chunk(const Json& chunk) {
  if (const Json* error = member(chunk, "error"))
    return fail({ErrorKind::api,
                 options_.server + " failed while it answered: " + error_text(error->dump())});
  read_usage(chunk);
  const Json* choices = member(chunk, "choices");
  if (choices != nullptr && choices->is_array() && !choices->empty())
    choice(choices->front());
}

void ChatStream::read_usage(const Json& chunk) {
  if (const Json* usage = member(chunk, "usage")) {
    take_count(*usage, "prompt_tokens", told_.prompt);
    take_count(*usage, "completion_tokens", told_.output);
    if (const Json* details = member(*usage, "prompt_tokens_details"))
      take_count(*details, "cached_tokens", told_.cached);
  }
  if (const Json* timings = member(chunk, "timings")) { // llama-server's, in every chunk
    std::optional<std::int64_t> computed;
    take_count(*timings, "prompt_n", computed);
    take_count(*timings, "cache_n", told_.cached);
    take_count(*timings, "predicted_n", told_.output);
    if (computed)
      told_.prompt = *computed + told_.cached.value_or(0);
  }
  if (const Json* progress = member(chunk, "prompt_progress"); progress != nullptr && !started_) {
    std::optional<std::int64_t> done;
    take_count(*progress, "total", told_.prompt);
    take_count(*progress, "cache", told_.cached);
    take_count(*progress, "processed", done);
    if (done && told_.prompt)
      sink_(anthropic::PrefillProgress{*done, *told_.prompt});
  }
}

void ChatStream::choice(const Json& choice) {
  for (const char* key : {"delta", "message"})
    if (const Json* said = member(choice, key); said != nullptr && !ended_)
      delta(*said);
  if (const Json* reason = member(choice, "finish_reason");
      reason != nullptr && reason->is_string())
    finish_reason_ = reason->get<std::string>();
}

void ChatStream::delta(const Json& delta) {
  for (const char* key : {"reasoning_content", "reasoning"})
    if (const Json* text = member(delta, key)) {
      thinking(text_of(*text));
      break; // one of them; some servers send both
    }
  for (const char* key : {"content", "refusal"})
    if (const Json* text = member(delta, key); text != nullptr && !ended_)
      content(text_of(*text));
  if (const Json* calls = member(delta, "tool_calls"); calls != nullptr && calls->is_array())
    for (const Json& one : *calls)
      if (!ended_)
        call(one);
}

/// The prompt is computed when the first part of the answer comes.
void ChatStream::start() {
  if (!std::exchange(started_, true))
    sink_(anthropic::Started{usage_now()});
}

void ChatStream::emit(ContentReader::Events events) {
  for (auto& event : events)
    sink_(std::move(event));
}

void ChatStream::enter(Part part) {
  start();
  ++pieces_;
  if (part_ == part)
    return;
  leave(true);
  part_ = part;
  if (part == Part::text)
    reader_.emplace(plain(options_.format));
}

void ChatStream::leave(bool turn_ended) {
  switch (std::exchange(part_, Part::none)) {
  case Part::none:
    break;
  case Part::thinking:
    writer_.end_thinking();
    break;
  case Part::text:
    emit(reader_->push(stops_.finish()));
    stops_ = text::StopSequences(options_.stop_sequences);
    emit(reader_->finish(turn_ended));
    called_ = called_ || reader_->called_tool();
    cut_ = cut_ || reader_->was_cut();
    reader_.reset();
    break;
  case Part::call:
    end_call();
    break;
  }
  emit(writer_.take());
}

void ChatStream::thinking(std::string_view text) {
  if (text.empty())
    return;
  enter(Part::thinking);
  writer_.think(text);
  emit(writer_.take());
}

void ChatStream::content(std::string_view text) {
  if (text.empty())
    return;
  // Blanks between calls, or in front of one, belong to the format.
  if (part_ != Part::text && text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    start();
    return;
  }
  enter(Part::text);
  const auto passed = stops_.push(text);
  emit(reader_->push(passed.emit));
  if (passed.matched) {
    stop_sequence_ = *passed.matched;
    finish();
  }
}

void ChatStream::call(const Json& call) {
  const Json* function = member(call, "function");
  if (function == nullptr)
    return;
  std::int64_t index = call_index_;
  if (const Json* told = member(call, "index"); told != nullptr && told->is_number_integer())
    index = told->get<std::int64_t>();
  std::string id;
  if (const Json* told = member(call, "id"); told != nullptr && told->is_string())
    id = told->get<std::string>();
  std::string name;
  if (const Json* told = member(*function, "name"); told != nullptr && told->is_string())
    name = told->get<std::string>();
  // Whole calls may come without an index, or all with 0: then another id tells them apart.
  const bool another = part_ != Part::call || index != call_index_ ||
                       (!name.empty() && !id.empty() && id != call_id_);
  if (another) {
    if (name.empty() || (part_ == Part::call && index < call_index_))
      return fail({ErrorKind::api, options_.server + " mixed the pieces of several tool calls"});
    enter(Part::call);
    if (json_)
      end_call(); // of the call before
    called_ = true;
    call_index_ = index;
    call_id_ = id;
    writer_.begin_call(name);
    json_.emplace();
    json_begun_ = false;
    unread_.clear();
  } else {
    enter(Part::call);
  }
  if (const Json* arguments = member(*function, "arguments"))
    input(arguments->is_string() ? arguments->get<std::string>() : arguments->dump());
  emit(writer_.take());
}

/// What comes is made strict JSON where a model wrote it a little wrong.
void ChatStream::input(std::string_view piece) {
  unread_ += piece;
  if (!json_begun_) {
    unread_.erase(0, std::min(unread_.find_first_not_of(" \t\r\n"), unread_.size()));
    if (!unread_.starts_with('{'))
      return; // "null" or nothing at all: a call without input
    json_begun_ = true;
  }
  std::string_view text = unread_;
  std::string out;
  json_->read(text, false, out);
  unread_.erase(0, unread_.size() - text.size());
  writer_.input(out);
}

void ChatStream::end_call() {
  if (!json_)
    return;
  std::string_view text = unread_;
  std::string out;
  if (json_begun_ && !json_->complete())
    json_->read(text, true, out);
  const bool cut = json_->in_string();
  if (json_begun_ && !json_->complete())
    json_->close(out);
  writer_.input(out);
  writer_.end_call(cut);
  cut_ = cut_ || cut;
  json_.reset();
}

anthropic::StopReason ChatStream::reason() const {
  using anthropic::StopReason;
  if (!stop_sequence_.empty())
    return StopReason::stop_sequence;
  const std::int64_t output = told_.output.value_or(0);
  if (finish_reason_ == "length") {
    const bool full = options_.context_tokens > 0 && output < options_.max_tokens &&
                      told_.prompt.value_or(0) + output >= options_.context_tokens - 1;
    return full ? StopReason::model_context_window_exceeded : StopReason::max_tokens;
  }
  if (cut_) // a call that stopped in the middle of a value must not be carried out
    return StopReason::max_tokens;
  return called_ ? StopReason::tool_use : StopReason::end_turn;
}

/// What is known by now. Until the server has told, all of the estimated prompt counts as computed:
/// a cache that is claimed too early could not be taken back.
anthropic::Usage ChatStream::usage_now() const {
  anthropic::Usage usage;
  const std::int64_t prompt = told_.prompt.value_or(options_.estimated_prompt);
  usage.cache_read_input_tokens = std::clamp<std::int64_t>(told_.cached.value_or(0), 0, prompt);
  usage.input_tokens = prompt - usage.cache_read_input_tokens;
  // A server that reports reuse keeps what it computes; a client that marks cache breakpoints is
  // told so in the fields it watches.
  if (options_.caching && told_.cached && usage.input_tokens > 0) {
    usage.cache_creation_input_tokens = usage.input_tokens - 1;
    usage.input_tokens = 1;
  }
  usage.output_tokens = started_ ? told_.output.value_or(pieces_) : 0;
  return usage;
}

void ChatStream::finish() {
  if (ended_)
    return;
  const bool turn_ended = finish_reason_ != "length" && stop_sequence_.empty();
  leave(turn_ended);
  ended_ = true;
  anthropic::Finished finished;
  finished.reason = reason();
  finished.stop_sequence = stop_sequence_;
  start();
  finished.usage = usage_now();
  sink_(std::move(finished));
}

} // namespace anyclaude::backend
