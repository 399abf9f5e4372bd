// The bytes of another server's streamed answer: wherever they are cut, they are the same events,
// in an order that the API allows.
#include "anthropic/events.h"
#include "anthropic/json_reader.h"
#include "backend/chat_stream.h"
#include "fuzz/fuzzing.h"
#include "text/utf8.h"
#include "upstream/sse_reader.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using namespace anyclaude;
using fuzz::require;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

/// What a client gets to see, and looks that the events may follow each other.
class Client {
 public:
  void take(const anthropic::Event& event) {
    require(!ended_);
    std::visit(Overloaded{
                   [this](const anthropic::PrefillProgress& e) {
                     require(!started_);
                     say(std::format("progress {}/{}\n", e.done, e.total));
                   },
                   [this](const anthropic::Started& e) {
                     require(!started_);
                     started_ = true;
                     usage("start", e.usage);
                   },
                   [this](const anthropic::TextDelta& e) { piece("text", e.text); },
                   [this](const anthropic::ThinkingDelta& e) { piece("thinking", e.thinking); },
                   [this](const anthropic::ThinkingSignature&) {
                     require(kind_ == "thinking");
                     kind_.clear();
                   },
                   [this](const anthropic::ToolUseStart& e) {
                     require(started_ && !e.id.empty());
                     end_block();
                     kind_ = "call";
                     say("\ncall " + e.name + " ");
                   },
                   [this](const anthropic::ToolInputDelta& e) {
                     require(kind_ == "call");
                     input_ += e.partial_json;
                   },
                   [this](const anthropic::ServerToolUnavailable& e) {
                     end_block();
                     kind_.clear();
                     say("\nserver tool " + e.name);
                   },
                   [this](const anthropic::Finished& e) {
                     require(started_);
                     end_block();
                     usage(anthropic::to_string(e.reason), e.usage);
                     ended_ = true;
                   },
                   [this](const anthropic::Failed& e) {
                     require(!e.error.message.empty());
                     say("\nfailed " + e.error.message);
                     ended_ = true;
                   },
               },
               event);
  }

  bool ended() const { return ended_; }
  const std::string& said() const { return said_; }

 private:
  void say(const std::string& text) {
    require(text::to_valid_utf8(text) == text);
    said_ += text;
  }
  void piece(std::string_view kind, const std::string& text) {
    require(started_ && !text.empty());
    if (kind_ != kind) {
      end_block();
      say("\n" + std::string(kind) + " ");
    }
    kind_ = kind;
    say(text);
  }
  /// The input of a call that a client carries out is one JSON object.
  void end_block() {
    if (kind_ != "call")
      return;
    const auto input = anthropic::read_json(input_.empty() ? "{}" : input_);
    require(input && input->is_object());
    say(input_);
    input_.clear();
    kind_.clear();
  }
  void usage(std::string_view when, const anthropic::Usage& usage) {
    require(usage.input_tokens >= 0 && usage.cache_read_input_tokens >= 0 &&
            usage.cache_creation_input_tokens >= 0 && usage.output_tokens >= 0);
    say(std::format("\n{} {}+{}+{}>{}", when, usage.input_tokens, usage.cache_read_input_tokens,
                    usage.cache_creation_input_tokens, usage.output_tokens));
  }

  std::string kind_; // of the open block
  std::string input_;
  std::string said_;
  bool started_ = false;
  bool ended_ = false;
};

backend::ChatStream::Options options_of(unsigned choice) {
  backend::ChatStream::Options options;
  options.server = "the server";
  options.estimated_prompt = 100;
  options.max_tokens = 50;
  options.caching = (choice & 1) != 0;
  options.context_tokens = (choice & 2) != 0 ? 120 : 0;
  if ((choice & 4) != 0)
    options.stop_sequences = {"STOP", "\n\n"};
  if ((choice & 8) != 0)
    options.format.tools = std::make_shared<const answer::ToolSet>(std::vector<answer::ToolSpec>{
        {"Read", Json::parse(R"({"type":"object","properties":{"path":{"type":"string"}}})")},
        {"Bash", Json::parse(R"({"type":"object"})")}});
  return options;
}

/// All that is read of the pieces, as text.
std::string read(const std::vector<std::string_view>& pieces, unsigned choice) {
  std::string events;
  Client client;
  backend::ChatStream stream(options_of(choice),
                             [&client](anthropic::Event event) { client.take(event); });
  upstream::SseReader reader({.on_event =
                                  [&](const upstream::SseEvent& event) {
                                    events += event.name + ": " + event.data + "\n";
                                    stream.data(event.data);
                                  },
                              .on_comment =
                                  [&](std::string_view text) {
                                    events += "comment " + std::string(text) + "\n";
                                    stream.comment(text);
                                  }},
                             4096);
  bool is_sound = true;
  for (const std::string_view piece : pieces)
    is_sound = is_sound && reader.push(piece);
  if (!is_sound) // how much was read until then depends on the pieces
    return "too large";
  reader.finish();
  stream.end();
  require(client.ended() && stream.ended());
  return events + client.said();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const unsigned choice = input.byte();
  const unsigned seed = input.byte();
  const std::string_view bytes = input.rest();
  require(read({bytes}, choice) == read(fuzz::cut(bytes, seed), choice));
  return 0;
}
