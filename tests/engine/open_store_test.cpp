#include "engine/open_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

namespace anyclaude::engine {
namespace {

/// Cells that were computed under one of these must never be taken for another's.
TEST(CellFingerprint, IsAnotherOneForEveryIngredient) {
  const CellSettings usual{.kv_type = "f16", .rotation_disabled = {}, .libraries = "1"};
  std::set<std::string> seen{cell_fingerprint("model", usual), cell_fingerprint("other", usual)};
  std::size_t count = 2;
  const auto add = [&](auto change) {
    CellSettings settings = usual;
    change(settings);
    seen.insert(cell_fingerprint("model", settings));
    EXPECT_EQ(seen.size(), ++count);
  };
  add([](CellSettings& s) { s.memory = MemoryKind::hybrid; });
  add([](CellSettings& s) { s.kv_type = "q8_0"; });
  add([](CellSettings& s) { s.uses_gpu = true; });
  add([](CellSettings& s) { s.exceeds_original_context = true; });
  add([](CellSettings& s) { s.own_attention = true; });
  add([](CellSettings& s) { s.extra_buffers = false; });
  add([](CellSettings& s) { s.rotation_disabled = "1"; });
  add([](CellSettings& s) { s.libraries = "2"; });
  EXPECT_EQ(cell_fingerprint("model", usual), cell_fingerprint("model", usual));
}

TEST(CellFingerprint, KnowsTheLibrariesAndTheirEnvironment) {
  EXPECT_NE(library_versions(), "");
  ::setenv("LLAMA_ATTN_ROT_DISABLE", "1", 1);
  EXPECT_EQ(rotation_disabled(), "1");
  ::unsetenv("LLAMA_ATTN_ROT_DISABLE");
  EXPECT_EQ(rotation_disabled(), "");
}

} // namespace
} // namespace anyclaude::engine
