#include "backend/tenant_share.h"

#include <gtest/gtest.h>

#include <optional>

namespace anyclaude::backend {
namespace {

TEST(TenantShare, IsEachTenantsOwn) {
  const TenantShare share(2);
  const auto first = share.take("ann");
  auto second = share.take("ann");
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(share.take("ann"));
  EXPECT_TRUE(share.take("ben"));
  second.reset();
  EXPECT_TRUE(share.take("ann")) << "a place that was given back can be taken again";
}

TEST(TenantShare, APlaceMayOutliveIt) {
  std::optional<TenantShare> share(1);
  auto place = share->take("ann");
  share.reset();
  EXPECT_TRUE(place);
  place.reset();
}

} // namespace
} // namespace anyclaude::backend
