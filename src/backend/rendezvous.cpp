#include "backend/rendezvous.h"

#include <blake3.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace anyclaude::backend {
namespace {

std::uint64_t weight(std::string_view key, std::string_view id) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, "anyclaude choice of a replica");
  const std::uint64_t key_size = key.size(); // or ("ab", "c") would weigh what ("a", "bc") does
  blake3_hasher_update(&hasher, &key_size, sizeof key_size);
  blake3_hasher_update(&hasher, key.data(), key.size());
  blake3_hasher_update(&hasher, id.data(), id.size());
  std::uint64_t out = 0;
  blake3_hasher_finalize(&hasher, reinterpret_cast<std::uint8_t*>(&out), sizeof out);
  return out;
}

} // namespace

std::vector<std::size_t> rendezvous_order(std::string_view key,
                                          const std::vector<std::string>& ids) {
  std::vector<std::uint64_t> weights(ids.size());
  std::ranges::transform(ids, weights.begin(),
                         [&](const std::string& id) { return weight(key, id); });
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::size_t index) { return weights[index]; });
  return order;
}

} // namespace anyclaude::backend
