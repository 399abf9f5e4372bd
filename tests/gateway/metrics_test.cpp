#include "gateway/metrics.h"

#include <gtest/gtest.h>

namespace anyclaude::gateway {
namespace {

TEST(Metrics, EachHasItsHelpItsTypeAndOneValue) {
  const std::string body =
      metrics_body({.ended = {.requests = 3, .reused_tokens = 12},
                    .engine = backend::EngineNumbers{.cells_used = 40,
                                                     .evicted_tokens = 3,
                                                     .moved_out_tokens = 4,
                                                     .paused = 5,
                                                     .cells_idle = 30,
                                                     .cells_spanned = 256,
                                                     .checkpoints = 7,
                                                     .checkpoint_bytes = 700,
                                                     .stored_bytes = 900,
                                                     .stored_tokens_restored = 30,
                                                     .stored_bytes_restored = 4000,
                                                     .restoring_seconds = 0.25,
                                                     .disk_blocks = 11,
                                                     .disk_bytes = 5000,
                                                     .disk_blocks_written = 9,
                                                     .unwritten_bytes = 600,
                                                     .copied_blocks = 13,
                                                     .copying_seconds = 0.5,
                                                     .unstored_tokens = 77,
                                                     .replay_bytes = 78,
                                                     .tokenized_bytes = 79,
                                                     .store_is_inert = true},
                    .open_connections = 2});
  EXPECT_TRUE(body.contains("# HELP anyclaude_requests_total Requests for a message that have "
                            "ended.\n# TYPE anyclaude_requests_total counter\n"
                            "anyclaude_requests_total 3\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_reused_tokens_total 12\n"));
  EXPECT_TRUE(
      body.contains("\n# TYPE anyclaude_kv_cells_used gauge\nanyclaude_kv_cells_used 40\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_cells_idle 30\n"));
  EXPECT_TRUE(body.contains("\n# TYPE anyclaude_kv_cells_spanned gauge\n"
                            "anyclaude_kv_cells_spanned 256\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_checkpoints 7\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_checkpoint_bytes 700\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_stored_bytes 900\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_restored_tokens_total 30\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_restored_bytes_total 4000\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_restore_seconds_total 0.25\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_disk_blocks 11\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_disk_bytes 5000\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_disk_blocks_written_total 9\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_unwritten_bytes 600\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_copied_blocks_total 13\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_copy_seconds_total 0.5\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_unstored_tokens_total 77\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_replay_bytes 78\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_tokenized_bytes 79\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_store_inert 1\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_evicted_tokens_total 3\n"));
  EXPECT_TRUE(body.contains("\nanyclaude_kv_moved_out_tokens_total 4\n"));
  EXPECT_TRUE(body.contains("\n# TYPE anyclaude_engine_paused_total counter\n"
                            "anyclaude_engine_paused_total 5\n"));
  EXPECT_TRUE(body.ends_with("\nanyclaude_open_connections 2\n"));
}

TEST(Metrics, AHistogramCountsWhatStaysBelowEachBound) {
  telemetry::FirstTokens times;
  times.cold.add(7);
  times.cold.add(1000);
  times.warm.add(0.05);
  times.warm.add(0.06);
  const std::string body = metrics_body({.first_tokens = times});
  const std::string name = "\nanyclaude_time_to_first_token_seconds";
  EXPECT_TRUE(body.contains("# TYPE anyclaude_time_to_first_token_seconds histogram\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"warm\",le=\"0.05\"} 1\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"warm\",le=\"0.1\"} 2\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"warm\",le=\"+Inf\"} 2\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"cold\",le=\"5\"} 0\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"cold\",le=\"10\"} 1\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"cold\",le=\"120\"} 1\n"));
  EXPECT_TRUE(body.contains(name + "_bucket{prompt=\"cold\",le=\"+Inf\"} 2\n"));
  EXPECT_TRUE(body.contains(name + "_sum{prompt=\"cold\"} 1007\n"));
  EXPECT_TRUE(body.contains(name + "_count{prompt=\"cold\"} 2\n"));
}

TEST(Metrics, ABackendElsewhereHasNoEngine) {
  const std::string body = metrics_body({});
  EXPECT_FALSE(body.contains("engine"));
  EXPECT_FALSE(body.contains("kv_"));
  EXPECT_TRUE(body.starts_with("# HELP anyclaude_requests_total "));
}

} // namespace
} // namespace anyclaude::gateway
