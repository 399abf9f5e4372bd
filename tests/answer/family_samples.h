#pragma once

#include "answer/format.h"

#include <string>
#include <vector>

namespace anyclaude::answer {

struct SampleCall {
  std::string name;
  Json arguments;
};

/// A way in which models write: a family, or an older form of one.
struct Form {
  std::string name;
  Dialect dialect;
};

/// All that are supported.
std::vector<Form> all_forms();

/// An answer as a model of this form would write it. Text behind calls only where the form can have
/// it. Written after the sources named in src/answer, independently of the parsers.
std::string render(const Form& form, const std::string& before,
                   const std::vector<SampleCall>& calls, const std::string& after = "");

bool can_have_text_behind(const Form& form);
/// Whether text can stand in front of calls.
bool can_have_text_before(const Form& form);

std::string render_thinking(const Form& form, const std::string& thinking);

} // namespace anyclaude::answer
