#include "backend/call_constraint.h"

#include <algorithm>
#include <utility>

namespace anyclaude::backend {

namespace {

class CallConstraint : public engine::Constraint {
 public:
  CallConstraint(const answer::Format& format, answer::Demand demand,
                 std::vector<engine::Token> markers)
      : rules_(format, std::move(demand)), markers_(std::move(markers)) {}

  std::optional<engine::Rule> advance(std::string_view bytes) override {
    auto rule = rules_.advance(bytes);
    if (!rule)
      return std::nullopt;
    return engine::Rule{std::move(rule->grammar), std::move(rule->said), rule->last};
  }

  bool shows(std::int32_t control_token) const override {
    return std::ranges::contains(markers_, control_token);
  }

 private:
  answer::AnswerRules rules_;
  std::vector<engine::Token> markers_;
};

} // namespace

std::shared_ptr<engine::Constraint> make_constraint(const answer::Format& format,
                                                    answer::Demand demand,
                                                    std::vector<engine::Token> markers) {
  if (!format.tools && demand.output_schema.is_null())
    return nullptr;
  return std::make_shared<CallConstraint>(format, std::move(demand), std::move(markers));
}

} // namespace anyclaude::backend
