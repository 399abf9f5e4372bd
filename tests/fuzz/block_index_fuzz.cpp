// Any bytes as the index beside the block files: it is read, or made anew, and what is written to
// it then stands in it.
#include "fuzz/fuzzing.h"
#include "kv/block_index.h"

#include <vector>

namespace {

using namespace anyclaude::kv;
namespace fuzz = anyclaude::fuzz;
using fuzz::require;

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Scratch kScratch;
  const auto file = kScratch.emptied() / "index.sqlite";
  fuzz::write_file(file, fuzz::Input(data, size).rest());
  {
    BlockIndex reader(file, false);
    reader.read();
    reader.about();
    reader.totals();
  }
  const BlockKey key = root_key("salt", "model", "a block");
  const std::vector<std::byte> header(100, std::byte{1});
  const BlockUse use{.hits = 3, .last_used = 5, .is_stable = true};
  BlockIndex index(file, true);
  index.put(key, header, use);
  // One attempt finds out that the file is of no use, the next begins anew.
  require(index.flush() || index.flush());
  const auto rows = index.read();
  if (const auto row = rows.find(key); row != rows.end())
    require(row->second.header == header && row->second.use == use);
  else // a damaged page was found only now: the index is new
    require(rows.empty());
  index.put(key, header, use);
  index.set_about({"fingerprint", "a model"});
  require(index.flush() || index.flush());
  return 0;
}
