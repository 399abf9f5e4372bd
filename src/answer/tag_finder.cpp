#include "answer/family_calls.h"
#include "answer/invoke_calls.h"
#include "answer/tag_calls.h"
#include "answer/text_scan.h"

namespace anyclaude::answer {

namespace {

using Step = CallBody::Step;

constexpr std::string_view kTag = "<tool_call>";
constexpr std::string_view kFunction = "<function=";

/// Behind <tool_call>: the first characters tell whose form it is.
class TagBody : public CallBody {
 public:
  Step read(std::string_view& text, bool at_end, Writer& writer) override {
    if (!body_) {
      std::string_view rest = text;
      skip_blank(rest);
      if (rest.empty() ? !at_end : may_become(rest, kFunction, at_end))
        return Step::more;
      if (rest.starts_with('{'))
        body_ = make_hermes_body();
      else if (rest.starts_with(kFunction))
        body_ = make_qwen_xml_body(false);
      else
        body_ = make_glm_body();
    }
    return body_->read(text, at_end, writer);
  }

 private:
  std::unique_ptr<CallBody> body_;
};

class TagFinder : public CallFinder {
 public:
  explicit TagFinder(bool bare_functions) : bare_functions_(bare_functions) {}

  CallOpening find(std::string_view text, bool /*at_start*/, bool at_end) const override {
    constexpr std::string_view kMarkers[] = {kTag, kFunction};
    const auto [at, marker] =
        find_marker(text, std::span(kMarkers).first(bare_functions_ ? 2 : 1), at_end);
    if (marker.empty())
      return {at, 0, nullptr};
    if (marker == kTag)
      return {at, marker.size(), std::make_unique<TagBody>()};
    return {at, marker.size(), make_qwen_xml_body(true)};
  }

 private:
  bool bare_functions_;
};

class InvokeFinder : public CallFinder {
 public:
  explicit InvokeFinder(Dialect dialect)
      : dialect_(std::move(dialect)), marker_("<" + dialect_.tag_prefix + dialect_.wrapper + ">") {}

  CallOpening find(std::string_view text, bool /*at_start*/, bool at_end) const override {
    const std::string_view markers[] = {marker_};
    const auto [at, marker] = find_marker(text, markers, at_end);
    if (marker.empty())
      return {at, 0, nullptr};
    return {at, marker.size(), make_invoke_body(dialect_)};
  }

 private:
  Dialect dialect_;
  std::string marker_;
};

} // namespace

std::unique_ptr<CallFinder> make_tag_finder(bool bare_functions) {
  return std::make_unique<TagFinder>(bare_functions);
}

std::unique_ptr<CallFinder> make_invoke_finder(const Dialect& dialect) {
  return std::make_unique<InvokeFinder>(dialect);
}

std::unique_ptr<CallFinder> make_call_finder(const Format& format) {
  switch (format.dialect.family) {
  case Family::hermes:
  case Family::glm:
    return make_tag_finder(false);
  case Family::qwen_xml:
    return make_tag_finder(true);
  case Family::llama:
    return make_llama_finder();
  case Family::mistral:
    return make_mistral_finder();
  case Family::deepseek:
    return make_deepseek_finder();
  case Family::invoke:
    return make_invoke_finder(format.dialect);
  case Family::gemma:
    return make_gemma_finder();
  case Family::generic:
    return make_generic_finder();
  case Family::harmony:
    break;
  }
  return nullptr;
}

} // namespace anyclaude::answer
