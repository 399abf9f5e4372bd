#include "engine/checkpoint_plan.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <ranges>

namespace anyclaude::engine {

namespace {

/// Tokens; what is less is computed again rather than kept.
constexpr int kWorthKeeping = 64;

/// Tokens between two places in one prompt; closer ones only divide a short suffix into still
/// shorter batches.
constexpr int kApart = 32;

} // namespace

std::vector<int> plan_checkpoints(std::span<const int> boundaries, int reused, int known,
                                  int size) {
  std::vector<int> usable;
  std::ranges::copy_if(boundaries, std::back_inserter(usable),
                       [&](int place) { return place > 0 && place < size; });

  const int first = usable.empty() ? 0 : usable.front();
  std::vector<int> plan;
  if (!usable.empty())
    plan.push_back(first);
  int picked = 0;
  int distance = 0;
  for (const int place : usable | std::views::reverse) {
    if (picked >= 2 && size - place < 2 * distance)
      continue;
    plan.push_back(place);
    distance = size - place;
    ++picked;
  }
  known = std::min(known, size - 1);
  const auto near = [&](int place) { return place <= known && known - place < kWorthKeeping; };
  if (!near(reused) && std::ranges::none_of(plan, near))
    plan.push_back(known);

  std::erase_if(plan, [&](int place) { return place <= reused; });
  std::ranges::sort(plan);
  const auto repeated = std::ranges::unique(plan);
  plan.erase(repeated.begin(), repeated.end());
  for (std::size_t i = plan.size(); i-- > 1;)
    if (plan[i] - plan[i - 1] < kApart && plan[i - 1] != first)
      plan.erase(plan.begin() + static_cast<std::ptrdiff_t>(i) - 1);
  return plan;
}

std::vector<int> thin_checkpoints(std::span<const int> places) {
  std::vector<int> kept;
  const auto back = [&](int place) { return places.back() - place; };
  for (std::size_t i = places.size(); i-- > 0;) {
    // Without it, is the one before it still near enough to the one behind?
    const bool is_spared = i == 0 || i + 2 >= places.size();
    if (is_spared || back(places[i - 1]) > 2 * back(kept.back()))
      kept.push_back(places[i]);
  }
  std::ranges::reverse(kept);
  return kept;
}

} // namespace anyclaude::engine
