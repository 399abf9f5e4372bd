#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

/// What launchers and the daemon say to each other: one JSON object per line over a Unix socket.
///   launcher: {"hello":{"version":"0.1.0","pid":7,"session":"…","attach":true}}
///   daemon:   {"status":{…}}              in answer to hello, and again whenever it changes
///   launcher: {"ask":"session"}
///   daemon:   {"session":{…}}             the numbers of the session that hello named
///   launcher: {"ask":"prompts"}           where the last prompts part from those before
///   launcher: {"ask":"state"}             what the dashboard shows
///   launcher: {"ask":"request"}           the longest request, of a benchmark's own daemon
///   launcher: {"ask":"store","argument":"files"}
///                                         what is kept of computed prefixes; the argument says
///                                         what has been done to the files: nothing, "files" or
///                                         "cleared"
///   daemon:   {"document":"prompts","content":…}
/// The connection is the launcher's life sign: its end, however it comes, detaches the launcher.
namespace anyclaude::launch {

struct Hello {
  std::string version;
  std::int64_t pid = 0;
  std::string session; // empty for who only looks
  bool attach = true;  // counts as a launcher, which keeps a launcher's daemon alive
};

enum class DaemonState { loading, ready, failed };

struct DaemonStatus {
  std::string version;
  std::int64_t pid = 0;
  DaemonState state = DaemonState::loading;
  double progress = 0;  // of loading, 0 to 1
  std::string detail;   // a sentence: what it is doing, or why it failed
  std::string base_url; // "http://127.0.0.1:PORT"; empty until the gateway listens
  std::uint16_t port = 0;
  std::string token;
  std::string model_id;
  std::string mode;       // who answers; set from the first status on
  std::string model_path; // absolute, or what a server calls it; set from the first status on
  int context_tokens = 0; // the true window; 0 until known
  int max_output_tokens = 0;
  std::string trace;             // folder that requests are written to; empty: none
  bool reaches_claude = false;   // requests may go to the real Claude, with the client's own login
  bool routes_by_model = false;  // a rule looks at the model that a request names
  bool launcher_started = false; // ends with its last launcher; false: `anyclaude serve`
  int attached = 0;              // launchers, the asking one included
};

/// What one session cost. reused + computed = prompt tokens.
struct SessionNumbers {
  std::int64_t requests = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t reused_tokens = 0;
  std::int64_t computed_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t saved_ms = 0;  // what computing the reused tokens would have taken
  std::string records = "[]"; // one JSON object per request, as a JSON array; passed on unread
};

/// One line, newline included.
std::string encode(const Hello& hello);
std::string encode(const DaemonStatus& status);
std::string encode(const SessionNumbers& numbers);
std::string encode_session_question();

/// Something that the daemon tells in a form that only who asks for it knows.
struct Document {
  std::string name;    // "prompts", "state", "store"
  std::string content; // JSON, passed on unread
};
struct Question {
  std::string document; // its name
  std::string argument;
};
std::string encode(const Question& question);
std::string encode(const Document& document);

/// One received line. Exactly one member is set; none for a line of a later version's.
struct ControlMessage {
  std::optional<Hello> hello;
  std::optional<DaemonStatus> status;
  std::optional<SessionNumbers> session;
  std::optional<Document> document;
  std::optional<Question> question;
  bool asks_session = false;
};

/// The error says what was wrong with the line. Absent keys keep their defaults.
std::expected<ControlMessage, std::string> decode(std::string_view line);

} // namespace anyclaude::launch
