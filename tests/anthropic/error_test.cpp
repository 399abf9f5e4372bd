#include "anthropic/error.h"

#include <gtest/gtest.h>

namespace anyclaude::anthropic {
namespace {

TEST(Error, BodyHasAnthropicsShape) {
  EXPECT_EQ(error_body({ErrorKind::not_found, "No \"x\" here."}, "req_1"),
            R"({"type":"error","error":{"type":"not_found_error","message":"No \"x\" here."},)"
            R"("request_id":"req_1"})");
}

TEST(Error, ACodeStandsInTheDetails) {
  EXPECT_EQ(error_body({ErrorKind::not_found, "Lost.", "thread_not_found"}, "req_1"),
            R"({"type":"error","error":{"type":"not_found_error","message":"Lost.",)"
            R"("details":{"error_code":"thread_not_found"}},"request_id":"req_1"})");
}

TEST(Error, BodyIsValidUtf8WhateverTheMessage) {
  EXPECT_NE(error_body({ErrorKind::api, "bad \xFF byte"}, "r").find("bad \xEF\xBF\xBD byte"),
            std::string::npos);
}

TEST(Error, EachKindHasItsStatusAndName) {
  EXPECT_EQ(http_status(ErrorKind::invalid_request), 400);
  EXPECT_EQ(http_status(ErrorKind::authentication), 401);
  EXPECT_EQ(http_status(ErrorKind::permission), 403);
  EXPECT_EQ(http_status(ErrorKind::not_found), 404);
  EXPECT_EQ(http_status(ErrorKind::request_too_large), 413);
  EXPECT_EQ(http_status(ErrorKind::rate_limit), 429);
  EXPECT_EQ(http_status(ErrorKind::api), 500);
  EXPECT_EQ(http_status(ErrorKind::overloaded), 529);
  EXPECT_STREQ(type_name(ErrorKind::request_too_large), "request_too_large");
  EXPECT_STREQ(type_name(ErrorKind::overloaded), "overloaded_error");
}

} // namespace
} // namespace anyclaude::anthropic
