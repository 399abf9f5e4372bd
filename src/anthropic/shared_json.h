#pragma once

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <utility>

namespace anyclaude::anthropic {

/// JSON that nobody changes any more; its copies are one value. A tool's schema is needed by the
/// prompt, by what reads calls and by grammars, and is hundreds of small allocations to copy.
class SharedJson {
 public:
  SharedJson() : SharedJson(Json()) {}
  SharedJson(Json json) : json_(std::make_shared<const Json>(std::move(json))) {} // as Json itself

  const Json& operator*() const { return *json_; }
  const Json* operator->() const { return json_.get(); }

 private:
  std::shared_ptr<const Json> json_; // never null
};

} // namespace anyclaude::anthropic
