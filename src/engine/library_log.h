#pragma once

#include <ggml.h>
#include <spdlog/spdlog.h>

#include <string>
#include <string_view>
#include <utility>

namespace anyclaude::engine {

/// libllama and libmtmd report through one global callback each, which `set` sets, and their
/// functions only say "no". The lines go to our log at the debug level; a thread's first error is
/// kept, because later ones are its consequences.
template <void (*set)(ggml_log_callback, void*)>
class LibraryLog {
 public:
  /// `name` is the library's, and outlives everything.
  static void listen(const char* name) { set(receive, const_cast<char*>(name)); }

  /// The first error of this thread's calls since it was last taken; empty: none.
  static std::string take_error() { return std::exchange(error_, {}); }

 private:
  static void receive(ggml_log_level level, const char* text, void* name) {
    std::string_view line(text);
    while (line.ends_with('\n'))
      line.remove_suffix(1);
    if (line.empty())
      return;
    if (level == GGML_LOG_LEVEL_ERROR && error_.empty())
      error_ = line;
    spdlog::debug("{}: {}", static_cast<const char*>(name), line);
  }

  inline static thread_local std::string error_;
};

} // namespace anyclaude::engine
