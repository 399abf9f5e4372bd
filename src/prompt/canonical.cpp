#include "prompt/canonical.h"

#include "anthropic/overloaded.h"
#include "prompt/turn_form.h"
#include "text/paragraphs.h"

#include <algorithm>
#include <map>
#include <utility>

namespace anyclaude::prompt {

namespace {

using anthropic::ContentBlock;
using anthropic::Message;
using anthropic::Overloaded;
using anthropic::Request;
using anthropic::Role;
using anthropic::Tool;
using text::add_paragraph;
using text::is_blank;

/// The system turn in front of the tools, where the system text itself goes behind them. Without
/// one, some templates put a text of their own there.
constexpr std::string_view kLeadIn = "The tools are described first, and the instructions follow.";

Json protect_strings(const Json& value, const ControlText& control) {
  if (value.is_string())
    return control.protect(value.get_ref<const std::string&>());
  if (value.is_array()) {
    Json result = Json::array();
    for (const Json& item : value)
      result.push_back(protect_strings(item, control));
    return result;
  }
  if (value.is_object()) {
    Json result = Json::object();
    for (const auto& [key, item] : value.items())
      result[control.protect(key)] = protect_strings(item, control);
    return result;
  }
  return value;
}

class Canonicalizer {
 public:
  Canonicalizer(const Request& request, const ControlText& control, const Arrangement& arrangement)
      : request_(request), control_(control), arrangement_(arrangement),
        opening_(lay_out_opening(request, arrangement.layout)) {
    out_.warnings = request.warnings;
    out_.input.messages = Json::array();
    out_.input.tools = Json::array();
  }

  Canonical run() {
    using Thinking = anthropic::Thinking::Kind;
    out_.input.enable_thinking =
        request_.thinking.kind == Thinking::enabled || request_.thinking.kind == Thinking::adaptive;
    add_tools();
    add_opening();
    for (std::size_t i = 0; i < request_.messages.size(); ++i) {
      if (i >= opening_.inline_begin && i < opening_.inline_end)
        continue; // stands in the opening
      const Message& message = request_.messages[i];
      if (message.role != Role::assistant)
        add_user_side(message);
      else if (i + 1 < request_.messages.size() || !take_answer_prefix(message))
        add_assistant(message);
    }
    return std::move(out_);
  }

 private:
  Json tool_json(const Tool& tool) const {
    return {{"type", "function"},
            {"function",
             {{"name", control_.protect(tool.name)},
              {"description", control_.protect(tool.description)},
              {"parameters", protect_strings(*tool.input_schema, control_)}}}};
  }

  void add_tools() {
    std::vector<const Tool*> tools;
    for (const Tool& tool : request_.tools) {
      if (!tool.server_type.empty())
        out_.warnings.push_back("the server tool " + tool.name + " is not available here");
      else if (tool.defer_loading)
        deferred_[tool.name] = &tool;
      else
        tools.push_back(&tool);
    }
    std::ranges::stable_sort(tools, {}, [this](const Tool* tool) {
      const auto rank = arrangement_.tool_ranks.find(tool->name);
      return rank == arrangement_.tool_ranks.end() ? -1 : rank->second;
    });
    for (const Tool* tool : tools)
      out_.input.tools.push_back(tool_json(*tool));
  }

  void add_opening() {
    const bool tools_first = arrangement_.layout == Layout::stable_first &&
                             arrangement_.system_place != SystemPlace::in_front &&
                             !out_.input.tools.empty();
    if (tools_first)
      out_.input.messages.push_back({{"role", "system"}, {"content", std::string(kLeadIn)}});
    if (tools_first && arrangement_.system_place == SystemPlace::first_user_turn)
      add_user_text(control_.protect(opening_.system));
    else if (!opening_.system.empty())
      out_.input.messages.push_back(
          {{"role", "system"}, {"content", control_.protect(opening_.system)}});
    if (!opening_.session.empty())
      add_user_text(control_.protect(reminder(opening_.session)));
  }

  static std::string reminder(const std::string& text) {
    return "<system-reminder>\n" + text + "\n</system-reminder>";
  }

  /// Adds protected text to the user's turn at the end, beginning one where there is none.
  void add_user_text(std::string_view text) {
    if (is_blank(text))
      return;
    Json& content = user_content();
    if (content.is_array())
      content.push_back({{"type", "text"}, {"text", text}});
    else
      add_paragraph(content.get_ref<std::string&>(), text);
  }

  /// Of the user's turn at the end, which begins here where there is none.
  Json& user_content() {
    Json& messages = out_.input.messages;
    if (messages.empty() || messages.back()["role"] != "user")
      messages.push_back({{"role", "user"}, {"content", ""}});
    return messages.back()["content"];
  }

  /// As a part of the turn, for a model that another server runs.
  void add_image_part(const anthropic::ImageBlock& image) {
    Json& content = user_content();
    if (content.is_string()) {
      Json parts = Json::array();
      if (!content.get_ref<const std::string&>().empty())
        parts.push_back({{"type", "text"}, {"text", std::move(content)}});
      content = std::move(parts);
    }
    const std::string url = image.media_type.empty()
                                ? *image.data
                                : "data:" + image.media_type + ";base64," + *image.data;
    content.push_back({{"type", "image_url"}, {"image_url", {{"url", url}}}});
  }

  // What stands for a block, as protected text.

  std::string shown(const anthropic::TextBlock& block) { return control_.protect(block.text); }

  std::string shown(const anthropic::ImageBlock& image) {
    std::string why = "this model cannot see images";
    if (arrangement_.image_reader && image.media_type.empty())
      why = "this server fetches no images from elsewhere";
    else if (arrangement_.image_reader && images_ == kMostImages)
      why = "there are more than " + std::to_string(kMostImages);
    else if (arrangement_.image_reader) {
      ++images_;
      auto tokens = arrangement_.image_reader(image);
      if (tokens)
        return add_image(out_.images, std::move(*tokens));
      why = tokens.error();
    }
    out_.warnings.push_back("an image is shown to the model as a placeholder: " + why);
    return control_.protect("[image" +
                            (image.media_type.empty() ? "" : " (" + image.media_type + ")") +
                            ": not shown, " + why + "]");
  }

  std::string shown(const anthropic::UnsupportedBlock& block) {
    return control_.protect(block.description);
  }

  std::string shown(const anthropic::ToolReferenceBlock& block) {
    const auto tool = deferred_.find(block.tool_name);
    if (tool == deferred_.end())
      return control_.protect("Tool available: " + block.tool_name);
    return control_.protect("Tool available from now on:\n" + tool_json(*tool->second).dump());
  }

  std::string result_text(const anthropic::ToolResultBlock& result) {
    std::string text;
    for (const auto& block : result.content)
      add_paragraph(text, std::visit(Overloaded{
                                         [&](const anthropic::ImageBlock& b) {
                                           if (!arrangement_.image_parts)
                                             return shown(b);
                                           result_images_.push_back(&b);
                                           return std::string("[image: shown below]");
                                         },
                                         [&](const auto& b) { return shown(b); },
                                     },
                                     block));
    if (is_blank(text))
      text = "(no output)";
    if (result.is_error && !text.starts_with("Error"))
      text = "Error: " + text;
    return text;
  }

  /// Results of parallel calls may come back in any order; the calls' order is the stable one.
  void add_results(std::vector<const anthropic::ToolResultBlock*> results) {
    const auto place = [this](const anthropic::ToolResultBlock* result) {
      return std::ranges::find(last_calls_, result->tool_use_id, &anthropic::ToolUseBlock::id) -
             last_calls_.begin();
    };
    std::ranges::stable_sort(results, {}, place);
    for (const auto* result : results) {
      const auto call =
          std::ranges::find(last_calls_, result->tool_use_id, &anthropic::ToolUseBlock::id);
      if (!arrangement_.tool_messages) {
        const std::string name = call == last_calls_.end() ? "a tool" : call->name;
        add_user_text(control_.protect("Result of " + name + ":\n") + result_text(*result));
        continue;
      }
      Json message = {{"role", "tool"}, {"tool_call_id", result->tool_use_id}};
      if (call != last_calls_.end())
        message["name"] = control_.protect(call->name);
      message["content"] = result_text(*result);
      out_.input.messages.push_back(std::move(message));
    }
  }

  /// A message of the user, or an inline one of the system.
  void add_user_side(const Message& message) {
    struct Part {
      std::string text; // in front of it
      const anthropic::ImageBlock* image;
    };
    std::vector<const anthropic::ToolResultBlock*> results;
    std::vector<Part> parts;
    std::string text; // behind the last image
    for (const ContentBlock& block : message.content)
      std::visit(
          Overloaded{
              [&](const anthropic::TextBlock& b) {
                if (!is_blank(b.text))
                  add_paragraph(text, shown(b));
              },
              [&](const anthropic::ImageBlock& b) {
                if (arrangement_.image_parts)
                  parts.push_back({std::exchange(text, {}), &b});
                else
                  add_paragraph(text, shown(b));
              },
              [&](const anthropic::ToolResultBlock& b) { results.push_back(&b); },
              [](const anthropic::ThinkingBlock&) {}, // the assistant's own mean nothing here
              [](const anthropic::ToolUseBlock&) {},
              [&](const auto& b) { add_paragraph(text, shown(b)); },
          },
          block);
    add_results(std::move(results));
    for (const auto* image : std::exchange(result_images_, {}))
      add_image_part(*image);
    for (const Part& part : parts) {
      add_user_text(part.text);
      add_image_part(*part.image);
    }
    if (message.role == Role::system && !is_blank(text))
      text = reminder(text);
    add_user_text(text);
  }

  void add_assistant(const Message& message) {
    std::string text;
    std::string thinking;
    Json calls = Json::array();
    last_calls_.clear();
    for (const ContentBlock& block : message.content)
      std::visit(Overloaded{
                     [&](const anthropic::TextBlock& b) { text += b.text; },
                     [&](const anthropic::ThinkingBlock& b) { thinking += b.thinking; },
                     [&](const anthropic::ToolUseBlock& b) {
                       last_calls_.push_back(b);
                       calls.push_back({{"id", b.id},
                                        {"type", "function"},
                                        {"function",
                                         {{"name", control_.protect(b.name)},
                                          {"arguments", protect_strings(b.input, control_)}}}});
                     },
                     [&](const anthropic::UnsupportedBlock& b) { text += b.description; },
                     [](const auto&) {},
                 },
                 block);
    Json turn = {{"role", "assistant"}, {"content", control_.protect(text)}};
    if (!is_blank(thinking))
      turn["reasoning_content"] = control_.protect(thinking);
    if (!calls.empty())
      turn["tool_calls"] = std::move(calls);
    out_.answers.push_back({out_.input.messages.size(), turn_form(message.content)});
    out_.input.messages.push_back(std::move(turn));
  }

  /// A last message of the assistant that is only text is the beginning of the answer.
  bool take_answer_prefix(const Message& message) {
    std::string text;
    for (const ContentBlock& block : message.content) {
      const auto* part = std::get_if<anthropic::TextBlock>(&block);
      if (!part)
        return false;
      text += part->text;
    }
    out_.answer_prefix = control_.protect(text);
    return true;
  }

  const Request& request_;
  const ControlText& control_;
  const Arrangement& arrangement_;
  const Opening opening_;
  Canonical out_;
  std::map<std::string, const Tool*> deferred_;
  int images_ = 0;                                          // that were read
  std::vector<anthropic::ToolUseBlock> last_calls_;         // of the assistant's last turn
  std::vector<const anthropic::ImageBlock*> result_images_; // of the results added last
};

} // namespace

Canonical canonicalize(const Request& request, const ControlText& control,
                       const Arrangement& arrangement) {
  return Canonicalizer(request, control, arrangement).run();
}

} // namespace anyclaude::prompt
