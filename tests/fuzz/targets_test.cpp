// The targets of libFuzzer without it: every file of their corpora, and a fixed number of inputs
// made from these by chance. Finds what broke since; new faults are found by ./dev test fuzz and
// ./dev fuzz. ANYCLAUDE_FUZZ_INPUTS sets how many.
#include "checkout.h"
#include "fuzz/fuzzing.h"
#include "fuzz/targets.h"
#include "rounds.h"

#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace anyclaude::fuzz {
namespace {

namespace fs = std::filesystem;

std::string printable(const std::string& input) {
  std::string shown;
  for (const char c : input)
    shown += std::isprint(static_cast<unsigned char>(c)) && c != '\\'
                 ? std::string(1, c)
                 : std::format("\\x{:02x}", static_cast<unsigned char>(c));
  return shown;
}

class FuzzTargets : public testing::TestWithParam<Target> {
 protected:
  static std::vector<std::string> corpus() {
    std::vector<fs::path> files;
    for (const auto& entry :
         fs::directory_iterator(checkout() / "tests/fuzz/corpus" / GetParam().name))
      files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<std::string> inputs;
    for (const fs::path& file : files) {
      std::ifstream in(file, std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return inputs;
  }

  static void run(const std::string& input) {
    try {
      GetParam().run(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    } catch (const Broken& broken) {
      FAIL() << broken.what() << " does not hold for \"" << printable(input) << '"';
    }
  }
};

TEST_P(FuzzTargets, HoldForTheirCorpus) {
  const auto inputs = corpus();
  EXPECT_GE(inputs.size(), 4u);
  for (const std::string& input : inputs)
    run(input);
}

std::string mutated(std::string input, const std::vector<std::string>& others,
                    std::mt19937& random) {
  const auto below = [&random](std::size_t end) {
    return random() % std::max<std::size_t>(end, 1);
  };
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    const std::size_t at = below(input.size());
    const std::size_t length = std::min(1 + below(16), input.size() - at);
    const std::string& other = others[below(others.size())];
    switch (below(5)) {
    case 0:
      input.erase(at, length);
      break;
    case 1:
      input.insert(at, input, at, length);
      break;
    case 2:
      if (!input.empty())
        input[at] = static_cast<char>(random());
      break;
    case 3:
      if (!input.empty())
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
      break;
    default:
      input.replace(at, length, other, below(other.size()), below(64));
    }
  }
  return input;
}

TEST_P(FuzzTargets, HoldForInputsMadeOfTheirCorpus) {
  const int count = rounds("ANYCLAUDE_FUZZ_INPUTS", 500);
  const auto inputs = corpus();
  ASSERT_FALSE(inputs.empty());
  std::mt19937 random(20'260'101);
  for (int i = 0; i < count && !HasFatalFailure(); ++i)
    run(mutated(inputs[random() % inputs.size()], inputs, random));
}

INSTANTIATE_TEST_SUITE_P(Each, FuzzTargets, testing::ValuesIn(targets()),
                         [](const auto& target) { return target.param.name; });

} // namespace
} // namespace anyclaude::fuzz
