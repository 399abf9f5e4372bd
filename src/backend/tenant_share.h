#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace anyclaude::backend {

/// Counts what each tenant has under way, so that none takes every place there is. Thread-safe.
class TenantShare {
  struct Counts {
    std::mutex mutex;
    std::unordered_map<std::string, int> under_way;
  };

 public:
  /// One of a tenant's places, taken as long as it lives; may outlive the share.
  class Place {
   public:
    Place(std::shared_ptr<Counts> counts, std::string tenant)
        : counts_(std::move(counts)), tenant_(std::move(tenant)) {}
    ~Place() {
      const std::scoped_lock lock(counts_->mutex);
      if (--counts_->under_way[tenant_] == 0)
        counts_->under_way.erase(tenant_);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    std::shared_ptr<Counts> counts_;
    std::string tenant_;
  };

  /// `most`: places for one tenant.
  explicit TenantShare(int most) : most_(most), counts_(std::make_shared<Counts>()) {}

  /// Null when the tenant has as many as it may.
  std::unique_ptr<Place> take(const std::string& tenant) const {
    const std::scoped_lock lock(counts_->mutex);
    int& mine = counts_->under_way[tenant];
    if (mine >= most_)
      return nullptr;
    ++mine;
    return std::make_unique<Place>(counts_, tenant);
  }

 private:
  int most_;
  std::shared_ptr<Counts> counts_;
};

} // namespace anyclaude::backend
