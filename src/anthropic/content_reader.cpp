#include "anthropic/content_reader.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace anyclaude::anthropic {
namespace {

/// A type name fit for a prompt and a log: the client may send anything here.
std::string printable_type(const std::string& type) {
  const bool plain = !type.empty() && type.size() <= 64 && std::ranges::all_of(type, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  return plain ? type : "unknown";
}

} // namespace

void ContentReader::note_cache_control(const Json& object) {
  caching_ = caching_ || SchemaReader::optional(object, "cache_control") != nullptr;
}

UnsupportedBlock ContentReader::unsupported(const std::string& type, std::string description) {
  ++placeholders_[printable_type(type)];
  return {type, std::move(description)};
}

std::vector<std::string> ContentReader::warnings() const {
  std::vector<std::string> out;
  for (const auto& [type, count] : placeholders_) {
    out.push_back(std::to_string(count) +
                  (count == 1 ? " block of type \"" : " blocks of type \"") + type +
                  "\" cannot be shown to the model; a placeholder stands in the prompt.");
  }
  return out;
}

/// A string stands for one text block.
template <class Block>
std::vector<Block> ContentReader::blocks(const Json& value, const Path& at,
                                         Block (ContentReader::*read)(const Json&, const Path&)) {
  std::vector<Block> out;
  if (value.is_string()) {
    out.emplace_back(TextBlock{value.get<std::string>()});
    return out;
  }
  if (!value.is_array()) {
    reader_.fail(at, "Input should be a valid string or a list of content blocks");
    return out;
  }
  blocks_ += value.size();
  if (blocks_ > kMaxBlocks) {
    reader_.fail(at,
                 "A request should have at most " + std::to_string(kMaxBlocks) + " content blocks");
    return out;
  }
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Path here = at / i;
    if (reader_.is_object(value[i], here)) {
      out.push_back((this->*read)(value[i], here));
    }
  }
  return out;
}

std::vector<ContentBlock> ContentReader::content(const Json& value, const Path& at) {
  return blocks(value, at, &ContentReader::block);
}

ContentBlock ContentReader::block(const Json& value, const Path& at) {
  note_cache_control(value);
  const std::string type = reader_.required_string(value, "type", at);
  if (type == "thinking") {
    return ThinkingBlock{reader_.required_string(value, "thinking", at),
                         reader_.optional_string(value, "signature", at)};
  }
  if (type == "tool_use") {
    return tool_use(value, at);
  }
  if (type == "tool_result") {
    return tool_result(value, at);
  }
  return std::visit([](auto shared) -> ContentBlock { return shared; },
                    shared_block(type, value, at));
}

ResultBlock ContentReader::result_block(const Json& value, const Path& at) {
  note_cache_control(value);
  return shared_block(reader_.required_string(value, "type", at), value, at);
}

/// The blocks that may stand in a message and in a tool result alike.
ResultBlock ContentReader::shared_block(const std::string& type, const Json& value,
                                        const Path& at) {
  if (type == "text") {
    return TextBlock{reader_.required_string(value, "text", at)};
  }
  if (type == "image") {
    return image(value, at);
  }
  if (type == "document") {
    return document(value, at);
  }
  if (type == "search_result") {
    return search_result(value, at);
  }
  if (type == "tool_reference") {
    return ToolReferenceBlock{reader_.required_string(value, "tool_name", at)};
  }
  if (type == "redacted_thinking") {
    return unsupported(type, "[redacted thinking, not readable here]");
  }
  if (type == "server_tool_use") {
    const Json* name = SchemaReader::optional(value, "name");
    const std::string tool =
        name != nullptr && name->is_string() ? printable_type(name->get<std::string>()) : "unknown";
    return unsupported(type, "[a call of the server tool " + tool + ", not available here]");
  }
  if (type.ends_with("_tool_result")) {
    return unsupported(type, "[" + printable_type(type) + ", not available here]");
  }
  return unsupported(type, "[a content block of type " + printable_type(type) +
                               ", not supported by this server]");
}

ResultBlock ContentReader::image(const Json& value, const Path& at) {
  const Json* source = reader_.required(value, "source", at);
  const Path here = at / "source";
  if (source == nullptr || !reader_.is_object(*source, here)) {
    return ImageBlock{};
  }
  const std::string type = reader_.required_string(*source, "type", here);
  if (type == "base64") {
    return ImageBlock{
        reader_.required_string(*source, "media_type", here),
        std::make_shared<const std::string>(reader_.required_string(*source, "data", here))};
  }
  if (type == "url") {
    return ImageBlock{
        {}, std::make_shared<const std::string>(reader_.required_string(*source, "url", here))};
  }
  return unsupported("image", "[an image of source " + printable_type(type) +
                                  ", not supported by this server]");
}

/// The text of a string or of a list of blocks; a placeholder stands for what is no text.
std::string ContentReader::text_of(const Json& value, const Path& at) {
  std::string out;
  for (const ResultBlock& block : result_content(value, at)) {
    out += out.empty() ? "" : "\n\n";
    if (const auto* text = std::get_if<TextBlock>(&block)) {
      out += text->text;
    } else if (const auto* other = std::get_if<UnsupportedBlock>(&block)) {
      out += other->description;
    } else {
      out += unsupported("image", "[an image]").description;
    }
  }
  return out;
}

ResultBlock ContentReader::search_result(const Json& value, const Path& at) {
  std::string out = reader_.required_string(value, "title", at);
  out += "\n" + reader_.required_string(value, "source", at);
  if (const Json* content = reader_.required(value, "content", at)) {
    out += "\n\n" + text_of(*content, at / "content");
  }
  return TextBlock{std::move(out)};
}

/// A document of text is text; any other has a form that only Anthropic's servers read.
ResultBlock ContentReader::document(const Json& value, const Path& at) {
  const Json* source = reader_.required(value, "source", at);
  const Path here = at / "source";
  if (source == nullptr || !reader_.is_object(*source, here)) {
    return TextBlock{};
  }
  const std::string type = reader_.required_string(*source, "type", here);
  const std::string title = reader_.optional_string(value, "title", at);
  const std::string context = reader_.optional_string(value, "context", at);
  std::string about;
  for (const std::string& part : {title, context}) {
    about += part.empty() ? "" : part + "\n\n";
  }
  if (type == "text") {
    return TextBlock{about + reader_.required_string(*source, "data", here)};
  }
  if (type == "content") {
    const Json* content = reader_.required(*source, "content", here);
    return TextBlock{about + (content == nullptr ? "" : text_of(*content, here / "content"))};
  }
  std::string description = "[a document";
  if (!title.empty() && title.size() <= 200) {
    description += " titled \"" + title + "\"";
  }
  const std::string media = reader_.optional_string(*source, "media_type", here);
  if (!media.empty() && media.size() <= 100) {
    description += " (" + media + ")";
  }
  return unsupported("document", description + ", not readable here]");
}

ContentBlock ContentReader::tool_use(const Json& value, const Path& at) {
  ToolUseBlock out{reader_.required_string(value, "id", at),
                   reader_.required_string(value, "name", at), Json::object()};
  const Json* input = reader_.required(value, "input", at);
  if (input != nullptr && reader_.is_object(*input, at / "input")) {
    out.input = *input;
  }
  return out;
}

ContentBlock ContentReader::tool_result(const Json& value, const Path& at) {
  ToolResultBlock out{reader_.required_string(value, "tool_use_id", at),
                      {},
                      reader_.optional_bool(value, "is_error", at)};
  if (const Json* content = SchemaReader::optional(value, "content")) {
    out.content = result_content(*content, at / "content");
  }
  return out;
}

std::vector<ResultBlock> ContentReader::result_content(const Json& value, const Path& at) {
  return blocks(value, at, &ContentReader::result_block);
}

} // namespace anyclaude::anthropic
