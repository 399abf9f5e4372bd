// What this machine can do, and the least time that it needs for a model: operations over the
// measured rate of multiply-adds, bytes over the measured rate of reading memory.
//
//     ./dev bench machine [--model F] [--prompt N] [--json F]

#include "engine/gguf_info.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

using Json = nlohmann::ordered_json;

constexpr int kSums = 16; // independent, so that none waits for the one before
constexpr std::int64_t kSteps = 20'000'000;
constexpr std::size_t kReadBytes = std::size_t{256}
                                   << 20; // by each thread; more than a cache holds

using Floats = float __attribute__((vector_size(64)));
using Words = std::uint64_t __attribute__((vector_size(64)));

#if defined(__x86_64__)
#define FOR_THE_BEST_PROCESSOR                                                                     \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define FOR_THE_BEST_PROCESSOR
#endif

/// Returns something that depends on every operation.
FOR_THE_BEST_PROCESSOR float multiply_and_add(float factor) {
  Floats sums[kSums]; // no two alike, or a compiler would compute one of them
  for (int i = 0; i < kSums; ++i)
    sums[i] = Floats{} + factor * static_cast<float>(i);
  for (std::int64_t step = 0; step < kSteps; ++step)
#pragma GCC unroll 16
    for (Floats& sum : sums)
      sum = sum * factor + 1.0F;
  Floats all{};
  for (const Floats& sum : sums)
    all += sum;
  return all[0];
}

FOR_THE_BEST_PROCESSOR std::uint64_t read_all(const std::vector<std::uint64_t>& words) {
  const auto* vectors = reinterpret_cast<const Words*>(words.data());
  Words sums[4] = {};
  for (std::size_t i = 0; i + 4 <= words.size() / 8; i += 4)
    for (std::size_t k = 0; k < 4; ++k)
      sums[k] += vectors[i + k];
  const Words all = sums[0] + sums[1] + sums[2] + sums[3];
  return all[0];
}

volatile float kept_float;
volatile std::uint64_t kept_word;

/// Seconds of the fastest of five runs on all processors at once.
double fastest(const std::function<void(unsigned)>& work) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  double best = 1e9;
  for (int run = 0; run < 5; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    {
      std::vector<std::jthread> running;
      for (unsigned i = 0; i < threads; ++i)
        running.emplace_back(work, i);
    }
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

struct Rates {
  double operations = 0; // a second, f32
  double bytes = 0;      // a second, read
};

Rates measure() {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  Rates rates;
  const double computing = fastest(
      [](unsigned i) { kept_float = multiply_and_add(0.5F + static_cast<float>(i) / 100); });
  rates.operations = 2.0 * 16 * kSums * static_cast<double>(kSteps) * threads / computing;
  std::vector<std::vector<std::uint64_t>> memory(threads,
                                                 std::vector<std::uint64_t>(kReadBytes / 8, 1));
  const double reading = fastest([&](unsigned i) { kept_word = read_all(memory[i]); });
  rates.bytes = static_cast<double>(kReadBytes) * threads / reading;
  return rates;
}

struct Floors {
  double cold = 0, followup = 0, decode = 0; // seconds
};

/// A prompt of `prompt` tokens from the start, 26 more behind it, and one.
Floors floors(const anyclaude::engine::GgufInfo& info, double prompt, const Rates& rates) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  // The table of embeddings is looked up; the output layer is needed for one token of a batch.
  const double table = number(info.vocabulary * info.embedding);
  const double weights = number(info.parameters) - table;
  const double head = number(info.kv_bytes_per_token) /
                      (4 * number(info.attention_layers) * number(info.kv_heads)); // numbers
  // Of one token for one cell: a score and a weighted value.
  const double cell = 4 * number(info.attention_layers * info.heads) * head;
  const auto seconds = [&](double tokens, double span, bool all_cells) {
    const double operations =
        tokens * (2 * weights + cell * (all_cells ? span : span / 2)) + 2 * table;
    const double bytes = number(info.file_bytes) + number(info.kv_bytes_per_token) * span;
    return std::max(operations / rates.operations, bytes / rates.bytes);
  };
  return {seconds(prompt, prompt, false), seconds(26, prompt, true), seconds(1, prompt, true)};
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2);
  return {};
}

} // namespace

int main(int count, char** arguments) {
  CLI::App app("What this machine can do, and the least time that it needs for a model",
               "./dev bench machine");
  std::vector<std::filesystem::path> models;
  double prompt = 18'490;
  std::string json;
  app.add_option("--model", models, "GGUF files");
  app.add_option("--prompt", prompt, "tokens")->capture_default_str();
  app.add_option("--json", json, "write the figures to this file as well");
  CLI11_PARSE(app, count, arguments);

  const Rates rates = measure();
  Json report = {
      {"machine", {{"cpu", processor()}, {"cores", std::thread::hardware_concurrency()}}},
      {"model", Json::object()},
      {"rows", Json::array()},
      {"ratios", Json::object()}};
  const auto add = [&report](const std::string& name, double value, const char* unit) {
    report["rows"].push_back({{"who", "machine"},
                              {"case", name},
                              {"n", 5},
                              {"median", value},
                              {"min", value},
                              {"max", value},
                              {"unit", unit}});
    report["ratios"][name] = value;
    std::cout << std::format("{:<32}{:>12.4g} {}\n", name, value, unit);
  };
  add("multiply_add", rates.operations / 1e9, "GFLOP/s");
  add("read", rates.bytes / 1e9, "GB/s");
  for (const auto& model : models) {
    const auto info = anyclaude::engine::read_gguf_info(model);
    if (!info) {
      std::cerr << info.error() << '\n';
      return 1;
    }
    const std::string name = model.stem().string();
    const Floors least = floors(*info, prompt, rates);
    add(name + "_cold_floor", least.cold, "s");
    add(name + "_followup_floor", least.followup, "s");
    add(name + "_decode_floor", least.decode, "s");
  }
  if (!json.empty() && !(std::ofstream(json) << report.dump(1) << '\n')) {
    std::cerr << "cannot write " << json << '\n';
    return 1;
  }
  return 0;
}
