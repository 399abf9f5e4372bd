#pragma once

#include "prompt/template_limits.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

/// What minja asks on its way through a template, where cmake/Minja.cmake made it ask: a model's
/// file is a stranger's, and its template a program without bounds of its own.
namespace anyclaude::prompt::guard {

/// How deep expressions, blocks and calls may be nested: their reader and their renderer recurse.
inline constexpr int kMostDepth = 400;
/// Of one tag: what is not nested, such as a sum, is a tree that is destroyed by recursion.
inline constexpr std::size_t kMostExpressions = 2000;
/// Of values that are printed as JSON.
inline constexpr int kMostLevels = 300;
/// Of letters or of white space on end: minja's regular expressions recurse for each.
inline constexpr std::size_t kLongestRun = 1000;
inline constexpr std::size_t kMostSource = std::size_t{1} << 20;

/// What a template may still cost on this thread, from here to the end of the outermost one; and
/// the containers that it makes.
class Budget {
 public:
  explicit Budget(const TemplateLimits& limits) : left_(limits), outer_(current) {
    if (outer_ == nullptr)
      current = this;
  }
  ~Budget() {
    if (outer_ != nullptr)
      return;
    current = nullptr;
    for (const Made& one : made_)
      one.empty(one.container.get());
  }
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// Whether a limit was reached: minja takes that for one of the template's own errors, which its
  /// probes pass over.
  bool is_spent() const { return spent_; }

  void spend(std::size_t bytes) {
    if (left_.steps == 0 || bytes > left_.bytes) {
      spent_ = true;
      throw std::runtime_error("it takes too long, or too much memory");
    }
    --left_.steps;
    left_.bytes -= bytes;
    unswept_ += bytes;
  }
  void enter() {
    if (depth_ >= kMostDepth) {
      spent_ = true;
      throw std::runtime_error("it is nested too deeply");
    }
    ++depth_;
  }
  void leave() { --depth_; }
  void next_tag() { expressions_ = 0; }
  void expression() {
    if (++expressions_ > kMostExpressions)
      throw std::runtime_error("an expression is too long");
  }
  /// Containers that hold each other would stay for good, and a long chain of them be destroyed by
  /// recursion. So each is held here until nobody else does, and then emptied by itself.
  void keep(std::shared_ptr<void> container, void (*empty)(void*)) {
    made_.push_back({std::move(container), empty});
    if (unswept_ >= kSweepBytes || made_.size() >= 2 * swept_ + kSweepContainers)
      sweep();
  }

  inline static thread_local Budget* current = nullptr;

 private:
  static constexpr std::size_t kSweepBytes = std::size_t{16} << 20;
  static constexpr std::size_t kSweepContainers = 1000;

  struct Made {
    std::shared_ptr<void> container;
    void (*empty)(void*);
  };

  /// The last come first: they hold those made before them.
  void sweep() {
    for (std::size_t i = made_.size(); i-- > 0;)
      if (made_[i].container.use_count() == 1) {
        made_[i].empty(made_[i].container.get());
        made_[i].container.reset();
      }
    std::erase_if(made_, [](const Made& one) { return one.container == nullptr; });
    swept_ = made_.size();
    unswept_ = 0;
  }

  TemplateLimits left_;
  Budget* outer_;
  int depth_ = 0;
  std::size_t expressions_ = 0;
  bool spent_ = false;
  std::vector<Made> made_;
  std::size_t swept_ = 0;   // that were left
  std::size_t unswept_ = 0; // bytes made since
};

/// A step that makes so many bytes.
inline void spend(std::size_t bytes) {
  if (Budget::current != nullptr)
    Budget::current->spend(bytes);
}

/// A search that may compare every byte of the one with every byte of the other.
inline void search(const std::string& in, const std::string& what) {
  spend(in.size() / 1024 * what.size());
}

inline void next_tag() {
  if (Budget::current != nullptr)
    Budget::current->next_tag();
}

inline void expression() {
  if (Budget::current != nullptr)
    Budget::current->expression();
}

/// A container of values that somebody is about to hold; Empty empties it.
template <class Container, class Empty>
std::shared_ptr<Container> kept(std::shared_ptr<Container> container, Empty /*empty*/) {
  if (Budget::current != nullptr)
    Budget::current->keep(container, [](void* held) { Empty{}(*static_cast<Container*>(held)); });
  return container;
}

/// A step that others may be nested in.
class Step {
 public:
  Step() : budget_(Budget::current) {
    if (budget_ == nullptr)
      return;
    budget_->spend(0);
    budget_->enter();
  }
  ~Step() {
    if (budget_ != nullptr)
      budget_->leave();
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  Budget* budget_;
};

inline void level(int nested) {
  if (nested > kMostLevels)
    throw std::runtime_error("a value is nested too deeply");
}

inline std::int64_t sum(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result))
    throw std::runtime_error("a number is too large");
  return result;
}

inline std::int64_t difference(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_sub_overflow(a, b, &result))
    throw std::runtime_error("a number is too large");
  return result;
}

inline std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result))
    throw std::runtime_error("a number is too large");
  return result;
}

/// An integer that a number is near, where there is one.
template <class T>
T integer(double number) {
  constexpr double kBeyond = 2.0 * (std::numeric_limits<T>::max() / 2 + 1); // exact
  if (!(number > -kBeyond && number < kBeyond))
    throw std::runtime_error("a number is too large");
  return static_cast<T>(number);
}

/// A primitive value of `Json`, as another type.
template <class T, class Json>
T converted(const Json& value) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (value.is_number_float())
      return integer<T>(value.template get<double>());
    if (value.is_number_integer() && !std::in_range<T>(value.template get<std::int64_t>()))
      throw std::runtime_error("a number is too large");
  }
  return value.template get<T>();
}

/// A divisor that processors take.
inline std::int64_t divisor(std::int64_t a, std::int64_t b) {
  if (b == 0 || (b == -1 && a == INT64_MIN))
    throw std::runtime_error("a division by zero");
  return b;
}

/// A number of columns, such as an indent.
inline std::int64_t columns(std::int64_t asked) {
  return std::min<std::int64_t>(std::max<std::int64_t>(asked, 0), 1000);
}

/// The bounds of a slice of `length`, as Python has them; behind this no step leaves them.
inline void slice(std::int64_t length, std::int64_t& start, std::int64_t& end, std::int64_t& step) {
  const std::int64_t lowest = step < 0 ? -1 : 0;
  const std::int64_t highest = step < 0 ? length - 1 : length;
  start = std::min(std::max(start, lowest), highest);
  end = std::min(std::max(end, lowest), highest);
  step = std::min(std::max(step, -length - 1), length + 1);
}

/// Refuses a range() that does not end, or whose end its last step would jump over.
inline void range(std::int64_t start, std::int64_t end, std::int64_t step) {
  if (step == 0)
    throw std::runtime_error("range() needs a step");
  sum(end, step);
  difference(end, start);
}

inline std::string replaced(const std::string& text, const std::string& before,
                            const std::string& after, std::int64_t count) {
  std::string result;
  search(text, before);
  std::size_t at = 0;
  while (count != 0) {
    const std::size_t found =
        before.empty() ? (at < text.size() ? at : std::string::npos) : text.find(before, at);
    if (found == std::string::npos)
      break;
    spend(found - at + after.size());
    result.append(text, at, found - at).append(after);
    at = found + before.size();
    if (before.empty())
      result += text[at++];
    count -= count > 0 ? 1 : 0;
  }
  return result.append(text, at);
}

/// Refuses what minja cannot read without harm.
inline void source(const std::string& text) {
  if (text.size() > kMostSource)
    throw std::runtime_error("it is longer than a megabyte");
  const auto kind = [](char c) {
    const auto is = [c](char from, char to) { return c >= from && c <= to; };
    return is('a', 'z') || is('A', 'Z') || is('0', '9') || c == '_' ? 1
           : c == ' ' || is('\t', '\r')                             ? 2
                                                                    : 0;
  };
  std::size_t run = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    run = kind(text[i]) != 0 && i > 0 && kind(text[i]) == kind(text[i - 1]) ? run + 1 : 0;
    if (run >= kLongestRun)
      throw std::runtime_error("it has a word or a gap of " + std::to_string(kLongestRun) +
                               " characters");
  }
}

} // namespace anyclaude::prompt::guard
