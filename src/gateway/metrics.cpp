#include "gateway/metrics.h"

#include <concepts>
#include <format>
#include <string_view>

namespace anyclaude::gateway {
namespace {

template <class T>
concept Number = std::integral<T> || std::floating_point<T>;

class MetricsText {
 public:
  /// What only grows; its name ends with "_total".
  void counter(std::string_view name, std::string_view help, Number auto value) {
    add("counter", name, help, value);
  }
  void gauge(std::string_view name, std::string_view help, Number auto value) {
    add("gauge", name, help, value);
  }
  void histogram(std::string_view name, std::string_view help) {
    add_head("histogram", name, help);
  }
  /// Of the histogram that was begun last.
  void series(std::string_view name, std::string_view label,
              const telemetry::FirstTokenTimes& times) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < times.counts.size(); ++i) {
      count += times.counts.at(i);
      const bool is_last = i == times.kBounds.size();
      text_ += std::format("anyclaude_{}_bucket{{{},le=\"{}\"}} {}\n", name, label,
                           is_last ? "+Inf" : std::format("{}", times.kBounds.at(i)), count);
    }
    text_ += std::format("anyclaude_{0}_sum{{{1}}} {2}\nanyclaude_{0}_count{{{1}}} {3}\n", name,
                         label, times.sum_seconds, count);
  }
  std::string take() { return std::move(text_); }

 private:
  void add_head(std::string_view type, std::string_view name, std::string_view help) {
    text_ += std::format("# HELP anyclaude_{0} {1}\n# TYPE anyclaude_{0} {2}\n", name, help, type);
  }
  void add(std::string_view type, std::string_view name, std::string_view help, Number auto value) {
    add_head(type, name, help);
    text_ += std::format("anyclaude_{} {}\n", name, value);
  }

  std::string text_;
};

void add_requests(MetricsText& text, const telemetry::Totals& ended) {
  text.counter("requests_total", "Requests for a message that have ended.", ended.requests);
  text.counter("request_errors_total", "Of those, ended with an error.", ended.errors);
  text.counter("prompt_tokens_total", "Tokens of their prompts.", ended.prompt_tokens);
  text.counter("reused_tokens_total", "Of those, taken from the KV cache.", ended.reused_tokens);
  text.counter("computed_tokens_total", "Of those, computed.", ended.computed_tokens);
  text.counter("output_tokens_total", "Tokens of their answers.", ended.output_tokens);
  constexpr double kMillisecond = 1e-3;
  text.gauge("saved_seconds",
             "What computing the reused tokens would have taken, by what one takes here.",
             static_cast<double>(ended.saved_ms) * kMillisecond);
}

void add_first_tokens(MetricsText& text, const telemetry::FirstTokens& times) {
  constexpr std::string_view kName = "time_to_first_token_seconds";
  text.histogram(kName, "From a request's arrival to the first token of its answer; warm: at least "
                        "half of its prompt was reused.");
  text.series(kName, "prompt=\"cold\"", times.cold);
  text.series(kName, "prompt=\"warm\"", times.warm);
}

void add_engine(MetricsText& text, const backend::EngineNumbers& engine) {
  text.gauge("engine_running", "Requests being computed.", engine.running);
  text.gauge("engine_queued", "Requests waiting for their turn.", engine.queued);
  text.counter("engine_paused_total", "Times that a request was put back into the queue.",
               engine.paused);
  text.counter("engine_computed_tokens_total",
               "Tokens of prompts passed to the model, unfinished requests included.",
               engine.computed_tokens);
  text.counter("engine_generated_tokens_total", "Tokens sampled.", engine.generated_tokens);
  text.gauge("kv_cells", "Tokens that the KV cache can hold.", engine.cells);
  text.gauge("kv_cells_used", "Tokens in the KV cache, idle prefixes included.", engine.cells_used);
  text.gauge("kv_cells_idle", "Of those, of idle prefixes alone: no running request holds them.",
             engine.cells_idle);
  text.gauge("kv_cells_spanned",
             "Tokens of the KV cache that the last batch's attention walked over: all up to the "
             "highest used cell, holes and idle prefixes included; 0 when not known.",
             engine.cells_spanned);
  text.gauge("kv_checkpoints", "Saved states that requests can start from.", engine.checkpoints);
  text.gauge("kv_checkpoint_bytes", "Host memory that they take.", engine.checkpoint_bytes);
  text.gauge("kv_stored_bytes",
             "Host memory that prefixes take beside the KV cache, to be written or kept.",
             engine.stored_bytes);
  text.counter("kv_restored_tokens_total", "Tokens that came back from there into the KV cache.",
               engine.stored_tokens_restored);
  text.counter("kv_restored_bytes_total", "Bytes that they took there.",
               engine.stored_bytes_restored);
  text.counter("kv_restore_seconds_total",
               "Time that requests waited for them, from the first to the last block of each.",
               engine.restoring_seconds);
  text.gauge("kv_disk_blocks", "Files of this model's prefixes on the disk.", engine.disk_blocks);
  text.gauge("kv_disk_bytes", "Their bytes.", engine.disk_bytes);
  text.counter("kv_disk_blocks_written_total", "Of those, written since the start.",
               engine.disk_blocks_written);
  text.gauge("kv_unwritten_bytes", "Bytes of files that are still to be written.",
             engine.unwritten_bytes);
  text.counter("kv_copied_blocks_total", "Blocks copied out of the KV cache.",
               engine.copied_blocks);
  text.counter("kv_copy_seconds_total", "Time that it took: answers wait for one at most.",
               engine.copying_seconds);
  text.counter("kv_unstored_tokens_total",
               "Tokens of prefixes worth keeping that could not be stored.",
               engine.unstored_tokens);
  text.gauge("replay_bytes",
             "Host memory that remembered answers take, to go on with their very tokens.",
             engine.replay_bytes);
  text.gauge("tokenized_bytes",
             "Host memory that texts of prompts take, remembered with their tokens.",
             engine.tokenized_bytes);
  text.gauge("kv_store_inert",
             "1 while much was computed since the start and nothing was stored on the disk.",
             engine.store_is_inert ? 1 : 0);
  text.counter("kv_evicted_tokens_total", "Tokens of idle prefixes dropped to make room.",
               engine.evicted_tokens);
  text.counter("kv_moved_out_tokens_total",
               "Tokens of idle prefixes that left the KV cache for the store.",
               engine.moved_out_tokens);
}

} // namespace

std::string metrics_body(const MetricsView& view) {
  MetricsText text;
  add_requests(text, view.ended);
  add_first_tokens(text, view.first_tokens);
  if (view.engine) {
    add_engine(text, *view.engine);
  }
  text.gauge("open_connections", "TCP connections of clients.", view.open_connections);
  return text.take();
}

} // namespace anyclaude::gateway
