// A request as a stranger sends it: the first line is the target of HTTP, what follows is the body.
// JSON is read as nlohmann's parser reads it, and what is a request has a canonical form that every
// template can render.
#include "anthropic/json_reader.h"
#include "anthropic/json_text.h"
#include "anthropic/messages.h"
#include "fuzz/fuzzing.h"
#include "gateway/route.h"
#include "prompt/canonical.h"
#include "prompt/chat_template.h"
#include "text/utf8.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

namespace {

using namespace anyclaude;
using fuzz::require;

bool is_utf8(std::string_view text) {
  return text::to_valid_utf8(text) == text;
}

void check_target(std::string_view target) {
  const auto question = target.find('?');
  const std::string_view path = target.substr(0, question);
  const gateway::Route route = gateway::route_of(path);
  require(route.session.size() <= 64);
  require(path.ends_with(route.path));
  require(route.model_id.empty() || route.endpoint == gateway::Endpoint::model);
  const std::string logged = gateway::loggable_path(path);
  require(logged.size() <= 210);
  constexpr std::size_t kTelling = 8; // a shorter one may stand there by chance
  const std::string_view behind = path.substr(std::min(path.find('/', 3), path.size()));
  if (route.token.size() >= kTelling && !behind.contains(route.token))
    require(!logged.contains(route.token));
  if (question != std::string_view::npos)
    require(gateway::query_value(target.substr(question + 1), "key").size() <= target.size());
}

void check_json(std::string_view body) {
  const auto read = anthropic::read_json(body);
  if (!read) {
    const auto& error = read.error();
    require(error.byte <= body.size() && error.line >= 1 && error.column >= 1);
    require(is_utf8(error.to_string()));
    const bool may_be_deep = std::ranges::count_if(body, [](char c) {
                               return c == '[' || c == '{';
                             }) > anthropic::kMaxJsonDepth;
    require(may_be_deep || !Json::accept(body));
    return;
  }
  const bool has_escapes = body.contains("\\u"); // of lone surrogates, which nlohmann refuses
  if (!has_escapes)
    require(Json::parse(body) == *read);
  const std::string text = anthropic::json_text(*read);
  require(text == read->dump());
  const auto again = anthropic::read_json(text);
  require(again && *again == *read);
}

const prompt::ChatTemplate& chat_ml() {
  static const auto kTemplate = prompt::ChatTemplate::parse("", "", "");
  return *kTemplate;
}

void check_request(const anthropic::Request& request) {
  require(!request.model.empty() && !request.messages.empty());
  std::set<std::string> names;
  for (const auto& tool : request.tools)
    require(tool.name.empty() || names.insert(tool.name).second);
  require(!request.temperature || (*request.temperature >= 0 && *request.temperature <= 1));
  require(!request.top_k || *request.top_k >= 0);

  static const prompt::ControlText kControl({"<|im_start|>", "<|im_end|>"});
  for (const auto layout : {prompt::Layout::stable_first, prompt::Layout::as_sent}) {
    for (const bool tool_messages : {true, false}) {
      prompt::Arrangement arrangement;
      arrangement.layout = layout;
      arrangement.tool_messages = tool_messages;
      const auto canonical = prompt::canonicalize(request, kControl, arrangement);
      const auto again = prompt::canonicalize(request, kControl, arrangement);
      require(canonical.input.messages == again.input.messages);
      require(canonical.input.tools == again.input.tools);
      for (const auto& message : canonical.input.messages)
        require(message.at("role").is_string());
      for (const auto& answer : canonical.answers)
        require(answer.message < canonical.input.messages.size());
      const auto rendered = chat_ml().render(canonical.input);
      require(rendered.has_value() && is_utf8(*rendered));
    }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  check_target(input.line());
  const std::string_view body = input.rest();
  check_json(body);
  for (const auto kind : {anthropic::RequestKind::messages, anthropic::RequestKind::count_tokens}) {
    const auto request = anthropic::parse_request(body, kind);
    if (request)
      check_request(*request);
    else
      require(is_utf8(request.error().message) && !request.error().message.empty());
  }
  return 0;
}
