#pragma once

#include "answer/answer_rules.h"
#include "engine/constraint.h"
#include "engine/job.h"

#include <memory>
#include <vector>

namespace anyclaude::backend {

/// The rules of one answer for the engine; null where nothing could ever be demanded of it.
/// `markers`: control tokens whose text is part of answers.
std::shared_ptr<engine::Constraint> make_constraint(const answer::Format& format,
                                                    answer::Demand demand,
                                                    std::vector<engine::Token> markers);

} // namespace anyclaude::backend
