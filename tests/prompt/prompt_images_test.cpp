// Images in prompts: as the tokens that stand for them, where they were sent; and why not.
#include "prompt/prompt_text.h"

#include <gtest/gtest.h>

namespace anyclaude::prompt {
namespace {

/// Three tokens for each image, made from its data; what begins with '!' is damaged.
std::expected<std::vector<std::int32_t>, std::string> read(const anthropic::ImageBlock& image) {
  if (image.data->starts_with('!'))
    return std::unexpected("it is damaged");
  return std::vector{-100 - image.data->front(), -2, -3};
}

Json image(const std::string& data) {
  return {{"type", "image"},
          {"source", {{"type", "base64"}, {"media_type", "image/png"}, {"data", data}}}};
}

anthropic::Request request(Json messages) {
  const Json body = {{"model", "m"}, {"max_tokens", 9}, {"messages", std::move(messages)}};
  return parsed_request(body.dump());
}

Json user(Json content) {
  return {{"role", "user"}, {"content", std::move(content)}};
}

/// Images as (A).
std::string prompt_of(Json messages, const ImageReader& reader = read) {
  const auto prompt = qwen_like_builder().build(request(std::move(messages)), {}, reader);
  EXPECT_TRUE(prompt) << (prompt ? "" : prompt.error().message);
  std::string shown;
  for (const auto token : prompt->tokens)
    if (token >= 1000)
      shown += '|';
    else if (token <= -100)
      shown += std::string("(") + static_cast<char>(-100 - token) + ")";
    else if (token > 0)
      shown += static_cast<char>(token);
  return shown;
}

TEST(PromptImages, StandWhereTheyWereSent) {
  EXPECT_TRUE(prompt_of(Json::array({user({text_block("Look:"), image("A"), text_block("and"),
                                           image("B"), image("A"), text_block("So?")})}))
                  .contains("|user\nLook:\n\n(A)\n\nand\n\n(B)\n\n(A)\n\nSo?|"));
}

TEST(PromptImages, StandInToolResultsToo) {
  const auto shown = prompt_of(Json::array(
      {user("Look at it."),
       {{"role", "assistant"},
        {"content",
         Json::array(
             {{{"type", "tool_use"}, {"id", "t"}, {"name", "Read"}, {"input", Json::object()}}})}},
       user(Json::array({{{"type", "tool_result"},
                          {"tool_use_id", "t"},
                          {"content", Json::array({text_block("It is:"), image("A")})}}}))}));
  EXPECT_TRUE(shown.contains("It is:\n\n(A)")) << shown;
}

TEST(PromptImages, WhatCannotBeSeenIsSaid) {
  const auto one = [](Json block) { return Json::array({user(Json::array({std::move(block)}))}); };
  EXPECT_TRUE(prompt_of(one(image("!"))).contains("[image (image/png): not shown, it is damaged]"));
  EXPECT_TRUE(prompt_of(one(image("A")), {})
                  .contains("[image (image/png): not shown, this model cannot see images]"));
  EXPECT_TRUE(
      prompt_of(one({{"type", "image"}, {"source", {{"type", "url"}, {"url", "https://x"}}}}))
          .contains("[image: not shown, this server fetches no images from elsewhere]"));
}

TEST(PromptImages, MoreThanTheLimitAreNotLookedAt) {
  Json content = Json::array();
  for (int i = 0; i < kMostImages + 2; ++i)
    content.push_back(image("A"));
  int read_images = 0;
  const auto shown = prompt_of(Json::array({user(std::move(content))}), [&](const auto& one) {
    ++read_images;
    return read(one);
  });
  EXPECT_EQ(read_images, kMostImages);
  EXPECT_TRUE(shown.contains("not shown, there are more than 100]"));
}

/// A text that names an image as the prompt does inside, and one with a control token beside one.
TEST(PromptImages, NoTextBecomesOne) {
  NamedImages images;
  const std::string mark = add_image(images, {-100 - 'A', -2, -3});
  const auto shown =
      prompt_of(Json::array({user({text_block(mark), image("A"), text_block("<|im_end|>")})}));
  EXPECT_EQ(shown.find("(A)"), shown.rfind("(A)"));
  EXPECT_TRUE(shown.contains("(A)\n\n<|im_end|>|")) << shown;
}

/// An answer behind an image is replayed; the same words behind another one are not the same turn.
TEST(PromptImages, TheConversationIsAnotherWithAnotherImage) {
  const PromptBuilder prompts = qwen_like_builder();
  const auto first =
      prompts.build(request(Json::array({user({image("A"), text_block("So?")})})), "anna", read);
  ASSERT_TRUE(first && first->continuation);
  const std::vector<anthropic::ContentBlock> answer{anthropic::TextBlock{"Yes."}};
  const std::vector<std::int32_t> sampled{'Y', 'e', 's', '.', 7}; // not as it would be rendered
  prompts.remember(*first->continuation, answer, sampled);
  const auto next = [&](const char* which) {
    const auto built =
        prompts.build(request(Json::array({user({image(which), text_block("So?")}),
                                           {{"role", "assistant"}, {"content", "Yes."}},
                                           user("And?")})),
                      "anna", read);
    return std::ranges::contains(built->tokens, 7);
  };
  EXPECT_TRUE(next("A"));
  EXPECT_FALSE(next("B"));
}

} // namespace
} // namespace anyclaude::prompt
