#include "text/stop_sequences.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>

namespace anyclaude::text {
namespace {

struct Outcome {
  std::string text;
  std::optional<std::string> matched;
};

/// The naive model: looks at every prefix of the text for a sequence that ends it.
Outcome naive(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 0; end <= text.size(); ++end) {
    std::optional<std::string> longest;
    for (const std::string& stop : stops) {
      if (!stop.empty() && text.substr(0, end).ends_with(stop) &&
          (!longest || stop.size() > longest->size())) {
        longest = stop;
      }
    }
    if (longest) {
      return {text.substr(0, end - longest->size()), longest};
    }
  }
  return {text, std::nullopt};
}

/// The longest end of `text` that begins some sequence.
std::size_t naive_hold(const std::string& text, const std::vector<std::string>& stops) {
  std::size_t hold = 0;
  for (const std::string& stop : stops) {
    for (std::size_t n = 0; n < stop.size() && n <= text.size(); ++n) {
      if (text.ends_with(stop.substr(0, n))) {
        hold = std::max(hold, n);
      }
    }
  }
  return hold;
}

rc::Gen<std::string> few_letters() { // so that partial matches are common
  return rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
}

RC_GTEST_PROP(StopSequencesProperty, AnyCutGivesTheNaiveModelsOutcome, ()) {
  const auto stops =
      *rc::gen::resize(8, rc::gen::container<std::vector<std::string>>(few_letters()));
  const std::string text = *few_letters();
  StopSequences subject(stops);
  Outcome got;
  std::string seen;
  for (std::size_t i = 0; i < text.size();) {
    const auto size = *rc::gen::inRange<std::size_t>(1, 5);
    auto result = subject.push(text.substr(i, size));
    seen += text.substr(i, size);
    got.text += result.emit;
    got.matched = result.matched;
    if (!got.matched) {
      RC_ASSERT(got.text.size() == seen.size() - naive_hold(seen, stops));
    }
    i += size;
  }
  got.text += subject.finish();
  const Outcome want = naive(text, stops);
  RC_CLASSIFY(want.matched.has_value(), "matched");
  RC_ASSERT(got.text == want.text);
  RC_ASSERT(got.matched == want.matched);
}

} // namespace
} // namespace anyclaude::text
