// What finding the stored blocks of a model takes at its start: from the index, and from the block
// files alone.
//
//     ./dev bench store-scan [--blocks N] [--folder DIR] [--json F]

#include "kv/block_files.h"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using namespace anyclaude;

constexpr std::size_t kCellBytes = 4096; // what follows the header is not read here
constexpr int kRuns = 5;

/// A chain of whole blocks for every 50 of them, as prompts leave them behind.
void make_blocks(const kv::BlockFiles& files, int count) {
  std::mt19937 random(1);
  kv::Block block;
  for (int i = 0; i < count; ++i) {
    const bool is_first = i % 50 == 0;
    block.parent = is_first ? kv::root_key("salt", "model", std::to_string(i)) : block.key;
    block.begin = is_first ? 0 : block.begin + kv::kBlockTokens;
    block.tokens.resize(kv::kBlockTokens);
    std::ranges::generate(block.tokens, [&] { return static_cast<kv::Token>(random() % 150'000); });
    block.key = kv::block_key(block.parent, block.tokens);
    block.cells.assign(kCellBytes, static_cast<std::byte>(i));
    if (!files.write(block, 1)) {
      std::cerr << "cannot write to " << files.folder() << '\n';
      std::exit(1);
    }
  }
}

/// Takes the files out of the page cache, and where that is allowed their names and inodes too.
bool forget_pages(const fs::path& folder) {
  ::sync();
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) {
      const int file = ::open(entry.path().c_str(), O_RDONLY);
      ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
      ::close(file);
    }
  std::ofstream drop("/proc/sys/vm/drop_caches");
  return (drop << "3\n" << std::flush).good();
}

double milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

/// The median of some runs.
double measure(const std::function<void()>& prepare, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < kRuns; ++i) {
    prepare();
    times.push_back(milliseconds(work));
  }
  std::ranges::sort(times);
  return times[kRuns / 2];
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Time to find the stored blocks of a model at its start");
  int blocks = 20'000;
  std::string folder = fs::temp_directory_path().native();
  std::string json;
  app.add_option("--blocks", blocks, "How many");
  app.add_option("--folder", folder, "Where; its disk is what is measured");
  app.add_option("--json", json, "Write the figures to this file as well");
  CLI11_PARSE(app, argc, argv);

  std::string name = (fs::path(folder) / "anyclaude-scan-XXXXXX").native();
  if (!::mkdtemp(name.data())) {
    std::cerr << "cannot make a folder in " << folder << '\n';
    return 1;
  }
  const fs::path root = name;
  make_blocks(**kv::BlockFiles::open(root, "model"), blocks);
  const fs::path index = (*kv::BlockFiles::open(root, "model"))->folder() / kv::kIndexName;
  const auto scan = [&] {
    const auto files = kv::BlockFiles::open(root, "model");
    if (std::cmp_not_equal((*files)->scan().blocks.size(), blocks))
      std::cerr << "not all blocks were found\n";
  };
  const auto scan_headers = [&] { // as `scan`, but nothing remembers
    for (const auto& model : kv::stored_models(root))
      for (const auto& [file, bytes] : model.files)
        if (!kv::read_block_header(file))
          std::cerr << "a header cannot be read\n";
  };
  bool is_cold = true;
  const auto cold = [&] { is_cold = forget_pages(root) && is_cold; };
  scan(); // everything is in the page cache, and in the index
  const Json figures = {{"blocks", blocks},
                        {"index_bytes", fs::file_size(index)},
                        {"headers_warm_ms", measure([] {}, scan_headers)},
                        {"index_warm_ms", measure([] {}, scan)},
                        {"headers_cold_ms", measure(cold, scan_headers)},
                        {"index_cold_ms", measure(cold, scan)},
                        {"names_and_inodes_were_cold", is_cold},
                        {"index_made_ms", measure([&] { fs::remove(index); }, scan)}};
  std::cout << figures.dump(2) << '\n';
  if (!json.empty())
    std::ofstream(json) << figures.dump(2) << '\n';
  fs::remove_all(root);
  return 0;
}
