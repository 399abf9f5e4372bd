#pragma once

#include "engine/attention_few.h"
#include "engine/attention_many.h"

namespace anyclaude::engine {
namespace {

void attend(const Attention& a, const AttentionPart& part, float* scratch, float* partial) {
  if (part.rows <= kFewRows)
    attend_few(a, part, scratch, partial);
  else
    attend_many(a, part, scratch, partial);
}

} // namespace
} // namespace anyclaude::engine
