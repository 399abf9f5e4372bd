// What the fuzzer found worth keeping is read on every run of the tests.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

TEST(BlockReaderCorpus, HasAnAnswerForEveryFile) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ANYCLAUDE_SOURCE_DIR
                                                               "/tests/fuzz/corpus/block_reader")) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++files;
  }
  EXPECT_GE(files, 4);
}

} // namespace
