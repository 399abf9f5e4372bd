// A disk that fails, and a folder in which anything may have happened: nothing wrong is ever read,
// and nothing ends a store.
#include "kv/disk_store.h"
#include "kv/failing_disk.h"
#include "kv/sample_blocks.h"
#include "kv/vandal.h"
#include "rounds.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string_view>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

/// Cells as DiskStoreTest::keep() makes them.
std::vector<std::byte> cells_behind(std::span<const Token> prefix) {
  return std::vector<std::byte>(kBytes, static_cast<std::byte>(prefix.back()));
}

class DiskErrorTest : public DiskStoreTest {
 protected:
  DiskErrorTest() { fs::create_directories(scratch / "disk"); }

  /// All cells of a prefix, which must be the right ones; how many tokens they are of.
  int read(BlockStore& store, const std::vector<Token>& prefix) {
    int length = 0;
    for (const auto& piece : store.find("anna", prefix)) {
      const auto cells = cells_of(store, piece);
      if (cells.empty())
        break;
      EXPECT_EQ(cells, cells_behind(std::span(prefix).first(static_cast<std::size_t>(piece.end))));
      length = piece.end;
    }
    return length;
  }

  fs::path store_folder = scratch / "disk";
};

struct WriteError {
  std::string_view call;
  int error;
};

class DiskWriteErrors : public DiskErrorTest, public testing::WithParamInterface<WriteError> {};

TEST_P(DiskWriteErrors, GiveOneWarningAndStoringGoesOnWhenTheyHaveEnded) {
  root = store_folder / "store";
  FailingDisk disk(store_folder);
  const auto store = open();
  keep(*store, range(0, kBlock));
  wait_for_blocks(*store, 1);

  disk.fail([](std::string_view call, const fs::path& path) {
    const auto& [failing, error] = GetParam();
    const bool writes = call != "open" || path.extension() == ".partial";
    return call == failing && writes ? error : 0;
  });
  keep(*store, range(1000, 6 * kBlock));
  while (troubles == 0)
    std::this_thread::yield();
  for (int i = 0; i < 50; ++i)
    store->pump(); // tries again and fails
  EXPECT_EQ(troubles, 1) << "one warning is enough";
  EXPECT_EQ(recoveries, 0);
  EXPECT_EQ(read(*store, range(1000, 6 * kBlock)), 6 * kBlock); // from memory
  EXPECT_EQ(store->stats().disk_blocks, 1u);

  disk.fail({});
  wait_for_blocks(*store, 7); // what could not be written then is written now
  EXPECT_EQ(recoveries, 1);
  EXPECT_EQ(troubles, 1);
}

INSTANTIATE_TEST_SUITE_P(Calls, DiskWriteErrors,
                         testing::Values(WriteError{"open", EACCES}, WriteError{"open", ENOSPC},
                                         WriteError{"open", EMFILE}, WriteError{"mkdir", EROFS},
                                         WriteError{"write", ENOSPC}, WriteError{"write", EDQUOT},
                                         WriteError{"write", EIO}, WriteError{"fdatasync", EIO},
                                         WriteError{"rename", EIO}, WriteError{"fsync", EIO}),
                         [](const auto& error) {
                           return std::string(error.param.call) + "_" +
                                  strerrorname_np(error.param.error);
                         });

class DiskReadErrors : public DiskErrorTest, public testing::WithParamInterface<WriteError> {};

TEST_P(DiskReadErrors, LoseNothingThatCanBeReadLater) {
  root = store_folder / "store";
  const auto prefix = range(0, 5 * kBlock);
  keep(*open(), prefix);
  FailingDisk disk(store_folder);
  const auto fail = [&](const std::string& name) {
    disk.fail([name](std::string_view call, const fs::path& path) {
      const auto& [failing, error] = GetParam();
      return call == failing && path.stem() == name ? error : 0;
    });
  };
  {
    const auto store = open();
    const std::string second = store->find("anna", prefix)[1].key.hex();
    fail(second);
    EXPECT_EQ(read(*store, prefix), kBlock);
    store->check();
  }
  { // and while the store is opened
    const auto store = open();
    EXPECT_EQ(read(*store, prefix), kBlock);
    store->check();
  }
  disk.fail({});
  EXPECT_EQ(read(*open(), prefix), 5 * kBlock);
}

INSTANTIATE_TEST_SUITE_P(Calls, DiskReadErrors,
                         testing::Values(WriteError{"open", EMFILE}, WriteError{"open", EIO},
                                         WriteError{"pread", EIO}),
                         [](const auto& error) {
                           return std::string(error.param.call) + "_" +
                                  strerrorname_np(error.param.error);
                         });

class FolderDamageTest : public DiskErrorTest {
 protected:
  std::vector<fs::path> all_files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.is_regular_file())
        files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
  }
};

TEST_F(FolderDamageTest, IsSeenOrHarmless) {
  const int strikes = rounds("ANYCLAUDE_DAMAGE_ROUNDS", 200);
  checkpoints = true;
  std::vector<std::vector<Token>> prefixes;
  {
    const auto store = open();
    for (int i = 0; i < 4; ++i) {
      prefixes.push_back(range(1000 * i, 3 * kBlock + (i % 2 == 0 ? 0 : 5)));
      keep(*store, prefixes.back());
      const auto place = std::span(prefixes.back()).first(2 * kBlock + 3);
      store->put_checkpoint("anna", place, cells_behind(place),
                            std::make_shared<const std::vector<std::byte>>(cells_behind(place)), 1);
    }
  }
  const fs::path sound = scratch / "sound";
  fs::copy(root, sound, fs::copy_options::recursive);
  int whole = 0;
  for (int strike = 0; strike < strikes; ++strike) {
    if (strike % 8 == 0) { // as new, so that damage is not only ever added to damage
      fs::remove_all(root);
      fs::copy(sound, root, fs::copy_options::recursive);
    }
    const auto files = all_files();
    if (strike % 16 == 7)
      fs::remove(files[static_cast<std::size_t>(strike) % files.size()]);
    else
      Vandal(files, static_cast<unsigned>(strike)).strike();
    const auto store = open();
    ASSERT_TRUE(store) << "strike " << strike;
    for (const auto& prefix : prefixes) {
      whole += read(*store, prefix) == static_cast<int>(prefix.size()) ? 1 : 0;
      for (const auto& piece : store->find_checkpoint("anna", prefix)) {
        const auto fetched = fetch(*store, piece.key);
        if (!fetched)
          break;
        const auto right =
            cells_behind(std::span(prefix).first(static_cast<std::size_t>(piece.end)));
        ASSERT_EQ(fetched->cells, right) << "strike " << strike;
        ASSERT_TRUE(!fetched->state || *fetched->state == right) << "strike " << strike;
      }
    }
    store->check();
    ASSERT_FALSE(HasFailure()) << "strike " << strike;
  }
  EXPECT_GT(whole, strikes);     // or nothing was left to be read wrongly
  EXPECT_LT(whole, 4 * strikes); // or nothing was damaged
}

} // namespace
} // namespace anyclaude::kv
