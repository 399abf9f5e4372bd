#include "engine/reuse_check.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <format>
#include <fstream>
#include <limits>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

namespace anyclaude::engine {

namespace {

constexpr int kBeyond = 96;     // tokens of the text that the window has left behind
constexpr int kTail = 24;       // tokens behind the text
constexpr int kOutputs = 8;     // of them whose logits are compared
constexpr int kFurther = 40;    // tokens that the sequence moves on before it is forked
constexpr double kNoise = 3;    // as in the tests: a run meets shapes that were not measured
constexpr double kExact = 1e-3; // of the difference to another text: as good as none
constexpr double kTeeth = 0.25; // … a tolerance that would let other texts pass
constexpr const char* kFormat = "anyclaude-reuse-check-1";

using Rows = std::vector<std::vector<float>>;

/// Root of the mean squared difference of two rows; not a number when either has one that is none.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

double distance(const Rows& a, const Rows& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (const double one = distance(a[i], b[i]); !(one <= most)) // also what is not a number
      most = one;
  return most;
}

class Check {
 public:
  Check(Decoder& decoder, const ReuseCheckOptions& options)
      : decoder_(decoder), options_(options) {}

  ReuseVerdict run() {
    const int room = (options_.context_tokens - 3 * kTail - kFurther) / 2;
    const int size = std::min(options_.window + kBeyond, room);
    ReuseVerdict verdict;
    if (size <= kTail)
      return verdict;
    compare(verdict, words(size), words(kTail));
    for (const SequenceId sequence : {0, 1, 2})
      decoder_.clear(sequence);
    const double tolerance = std::max(kNoise * verdict.noise, kExact * verdict.other);
    verdict.exact =
        !failed_ && verdict.difference <= tolerance && tolerance <= kTeeth * verdict.other;
    return verdict;
  }

 private:
  void compare(ReuseVerdict& verdict, const std::vector<Token>& text,
               const std::vector<Token>& tail) {
    const int size = static_cast<int>(text.size());
    compute(0, text, 0, options_.batch_tokens);
    const Rows whole = compute(0, tail, size, options_.batch_tokens);
    decoder_.clear(0);
    compute(0, words(kTail), 0, options_.batch_tokens);
    verdict.other = distance(whole, compute(0, tail, kTail, options_.batch_tokens));
    decoder_.clear(0);

    const int other_shape = std::max(1, options_.batch_tokens * 5 / 8);
    compute(1, text, 0, other_shape);
    const auto state = decoder_.save(1);
    const Rows direct = compute(1, tail, size, options_.batch_tokens);
    verdict.noise = distance(whole, direct);
    compute(1, words(kFurther), size + kTail, options_.batch_tokens);

    for (const auto& [from, to] : {std::pair{1, 2}, {2, 0}}) {
      decoder_.share(from, to, 0, size);
      if (state.empty() || !decoder_.restore(to, state, size)) {
        failed_ = true;
        verdict.difference = std::numeric_limits<double>::infinity();
        return;
      }
      const double one = distance(direct, compute(to, tail, size, options_.batch_tokens));
      if (!(one <= verdict.difference))
        verdict.difference = one;
    }
  }

  /// Computes tokens behind `position` ones; the logits of the last ones.
  Rows compute(SequenceId sequence, const std::vector<Token>& tokens, int position, int chunk) {
    Rows rows;
    const int size = static_cast<int>(tokens.size());
    for (int begin = 0; begin < size && !failed_; begin += chunk) {
      const int end = std::min(size, begin + chunk);
      std::vector<BatchToken> batch;
      for (int i = begin; i < end; ++i)
        batch.push_back({tokens[i], position + i, sequence, i >= size - kOutputs});
      if (decoder_.decode(batch) != DecodeStatus::ok) {
        failed_ = true;
        break;
      }
      for (int i = begin; i < end; ++i)
        if (batch[i - begin].output) {
          const auto row = decoder_.logits(i - begin);
          rows.emplace_back(row.begin(), row.end());
        }
    }
    rows.resize(kOutputs, Rows::value_type(static_cast<std::size_t>(options_.vocabulary)));
    return rows;
  }

  std::vector<Token> words(int count) {
    std::vector<Token> tokens;
    while (std::cmp_less(tokens.size(), count)) {
      const auto token =
          static_cast<Token>(random_() % static_cast<std::uint32_t>(options_.vocabulary));
      if (!decoder_.is_control(token) && !decoder_.ends_turn(token))
        tokens.push_back(token);
    }
    return tokens;
  }

  Decoder& decoder_;
  const ReuseCheckOptions& options_;
  std::mt19937 random_{1};
  bool failed_ = false;
};

} // namespace

ReuseVerdict check_reuse(Decoder& decoder, const ReuseCheckOptions& options) {
  return Check(decoder, options).run();
}

std::optional<ReuseVerdict> read_verdict(const std::filesystem::path& folder,
                                         const std::string& key) {
  std::ifstream file(folder / key);
  std::string format;
  ReuseVerdict verdict;
  if (file >> format >> verdict.exact >> verdict.difference >> verdict.noise >> verdict.other &&
      format == kFormat)
    return verdict;
  return std::nullopt;
}

bool write_verdict(const std::filesystem::path& folder, const std::string& key,
                   const ReuseVerdict& verdict) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto pending = folder / std::format("{}.{}.partial", key, ::getpid());
  {
    std::ofstream file(pending);
    // A number that is none could not be read again.
    const double difference = std::isfinite(verdict.difference) ? verdict.difference : 1e30;
    file << std::format("{} {:d} {} {} {}\n", kFormat, verdict.exact, difference, verdict.noise,
                        verdict.other);
    if (!file.flush())
      return false;
  }
  std::filesystem::rename(pending, folder / key, error);
  return !error;
}

} // namespace anyclaude::engine
