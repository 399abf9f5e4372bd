#include "launch/control_protocol.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

namespace anyclaude::launch {

namespace {

const char* name_of(DaemonState state) {
  switch (state) {
  case DaemonState::loading:
    return "loading";
  case DaemonState::ready:
    return "ready";
  case DaemonState::failed:
    return "failed";
  }
  return "failed";
}

DaemonState state_of(const std::string& name) {
  if (name == "ready")
    return DaemonState::ready;
  return name == "failed" ? DaemonState::failed : DaemonState::loading;
}

std::string line(const Json& message) {
  // A path need not be UTF-8; it must not end the conversation.
  return message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Hello read_hello(const Json& json) {
  Hello hello;
  hello.version = json.value("version", "");
  hello.pid = json.value("pid", std::int64_t{0});
  hello.session = json.value("session", "");
  hello.attach = json.value("attach", true);
  return hello;
}

DaemonStatus read_status(const Json& json) {
  DaemonStatus status;
  status.version = json.value("version", "");
  status.pid = json.value("pid", std::int64_t{0});
  status.state = state_of(json.value("state", "loading"));
  status.progress = json.value("progress", 0.0);
  status.detail = json.value("detail", "");
  status.base_url = json.value("base_url", "");
  status.port = json.value("port", std::uint16_t{0});
  status.token = json.value("token", "");
  status.model_id = json.value("model_id", "");
  status.mode = json.value("mode", "local");
  status.model_path = json.value("model_path", "");
  status.context_tokens = json.value("context_tokens", 0);
  status.max_output_tokens = json.value("max_output_tokens", 0);
  status.trace = json.value("trace", "");
  status.reaches_claude = json.value("reaches_claude", false);
  status.routes_by_model = json.value("routes_by_model", false);
  status.launcher_started = json.value("launcher_started", false);
  status.attached = json.value("attached", 0);
  return status;
}

SessionNumbers read_session(const Json& json) {
  SessionNumbers numbers;
  numbers.requests = json.value("requests", std::int64_t{0});
  numbers.prompt_tokens = json.value("prompt_tokens", std::int64_t{0});
  numbers.reused_tokens = json.value("reused_tokens", std::int64_t{0});
  numbers.computed_tokens = json.value("computed_tokens", std::int64_t{0});
  numbers.output_tokens = json.value("output_tokens", std::int64_t{0});
  numbers.saved_ms = json.value("saved_ms", std::int64_t{0});
  if (json.contains("records"))
    numbers.records = json.at("records").dump();
  return numbers;
}

} // namespace

std::string encode(const Hello& hello) {
  return line({{"hello",
                {{"version", hello.version},
                 {"pid", hello.pid},
                 {"session", hello.session},
                 {"attach", hello.attach}}}});
}

std::string encode(const DaemonStatus& status) {
  return line({{"status",
                {{"version", status.version},
                 {"pid", status.pid},
                 {"state", name_of(status.state)},
                 {"progress", status.progress},
                 {"detail", status.detail},
                 {"base_url", status.base_url},
                 {"port", status.port},
                 {"token", status.token},
                 {"model_id", status.model_id},
                 {"mode", status.mode},
                 {"model_path", status.model_path},
                 {"context_tokens", status.context_tokens},
                 {"max_output_tokens", status.max_output_tokens},
                 {"trace", status.trace},
                 {"reaches_claude", status.reaches_claude},
                 {"routes_by_model", status.routes_by_model},
                 {"launcher_started", status.launcher_started},
                 {"attached", status.attached}}}});
}

std::string encode(const SessionNumbers& numbers) {
  Json records = Json::parse(numbers.records, nullptr, false);
  if (!records.is_array())
    records = Json::array();
  return line({{"session",
                {{"requests", numbers.requests},
                 {"prompt_tokens", numbers.prompt_tokens},
                 {"reused_tokens", numbers.reused_tokens},
                 {"computed_tokens", numbers.computed_tokens},
                 {"output_tokens", numbers.output_tokens},
                 {"saved_ms", numbers.saved_ms},
                 {"records", std::move(records)}}}});
}

std::string encode_session_question() {
  return line({{"ask", "session"}});
}

std::string encode(const Question& question) {
  Json json = {{"ask", question.document}};
  if (!question.argument.empty())
    json["argument"] = question.argument;
  return line(std::move(json));
}

std::string encode(const Document& document) {
  Json content = Json::parse(document.content, nullptr, false);
  if (content.is_discarded())
    content = nullptr;
  return line({{"document", document.name}, {"content", std::move(content)}});
}

std::expected<ControlMessage, std::string> decode(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    return std::unexpected("a control line is not a JSON object");
  ControlMessage message;
  try {
    if (json.contains("hello"))
      message.hello = read_hello(json.at("hello"));
    else if (json.contains("status"))
      message.status = read_status(json.at("status"));
    else if (json.contains("session"))
      message.session = read_session(json.at("session"));
    else if (json.contains("document"))
      message.document = {json.at("document"), json.at("content").dump()};
    const std::string asked = json.value("ask", "");
    message.asks_session = asked == "session";
    if (!message.asks_session && !asked.empty())
      message.question = {asked, json.value("argument", "")};
  } catch (const Json::exception& wrong) {
    return std::unexpected(std::string("a control line has a value of the wrong type: ") +
                           wrong.what());
  }
  return message;
}

} // namespace anyclaude::launch
