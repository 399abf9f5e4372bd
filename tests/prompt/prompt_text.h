#pragma once

#include "anthropic/messages.h"
#include "prompt/chatml.h"
#include "prompt/prompt_builder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Prompts as text, for tests that say what stands where.
namespace anyclaude::prompt {

/// One token a byte, and one for each control text: 1000 and up, in the order given.
inline Tokenizer byte_tokenizer(const std::vector<std::string>& controls = {"<|im_start|>",
                                                                            "<|im_end|>"}) {
  Tokenizer tokenizer;
  tokenizer.control_texts = controls;
  tokenizer.tokenize = [controls](std::string_view text, bool parse_special) {
    std::vector<std::int32_t> tokens;
    while (!text.empty()) {
      const auto control = std::ranges::find_if(
          controls, [&](const std::string& each) { return text.starts_with(each); });
      if (parse_special && control != controls.end()) {
        tokens.push_back(1000 + static_cast<std::int32_t>(control - controls.begin()));
        text.remove_prefix(control->size());
      } else {
        tokens.push_back(static_cast<unsigned char>(text.front()));
        text.remove_prefix(1);
      }
    }
    return tokens;
  };
  return tokenizer;
}

/// Control tokens as "{<|im_end|>}", so that they differ from text that looks like one.
inline std::string text_of(const std::vector<std::int32_t>& tokens,
                           const std::vector<std::string>& controls) {
  std::string text;
  for (const auto token : tokens)
    text += token >= 1000 ? "{" + controls[static_cast<std::size_t>(token - 1000)] + "}"
                          : std::string(1, static_cast<char>(token));
  return text;
}

inline anthropic::Request parsed_request(const std::string& body) {
  const auto parsed = anthropic::parse_request(body, anthropic::RequestKind::messages);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed.value_or(anthropic::Request{});
}

inline Json text_block(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}

/// Of the template above and one token a byte.
inline PromptBuilder qwen_like_builder() {
  auto parsed = ChatTemplate::parse(kQwenLikeTemplate, "", "<|im_end|>");
  EXPECT_TRUE(parsed) << parsed.error();
  return {std::move(*parsed), byte_tokenizer()};
}

/// What the template makes of a request, without its marks.
inline std::string prompt_text(const std::string& body, Layout layout = Layout::stable_first,
                               const char* chat_template = kQwenLikeTemplate) {
  auto parsed = ChatTemplate::parse(chat_template, "", "");
  EXPECT_TRUE(parsed) << parsed.error();
  const auto built = PromptBuilder(std::move(*parsed), byte_tokenizer({}), {.layout = layout})
                         .build(parsed_request(body));
  EXPECT_TRUE(built) << (built ? "" : built.error().message);
  return built ? text_of(built->tokens, {}) : "";
}

} // namespace anyclaude::prompt
