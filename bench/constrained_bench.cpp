// What it costs to hold an answer to a schema: time of drawing a token with and without a grammar,
// beside the time of a decode step, on random weights (where nearly every token has to be drawn
// among what the grammar allows: the worst case). Usage: constrained_bench [--model F] [--json F]
#include "answer/schema_grammar.h"
#include "demo/demo_model.h"
#include "engine/constraint.h"
#include "engine/llama_decoder.h"

#include <nlohmann/json.hpp>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

namespace {

using namespace anyclaude;

constexpr int kSteps = 24;    // decode steps that are timed
constexpr int kOutputs = 16;  // different logits to draw from
constexpr int kTokens = 8192; // drawn with and without a grammar
constexpr int kEdge = 1024;   // tokens at the beginning and the end that are compared

/// One rule from the first token on.
class OneRule : public engine::Constraint {
 public:
  explicit OneRule(std::string grammar) : grammar_(std::move(grammar)) {}
  std::optional<engine::Rule> advance(std::string_view) override {
    if (grammar_.empty())
      return std::nullopt;
    return engine::Rule{std::exchange(grammar_, {}), {}, true};
  }
  bool shows(std::int32_t) const override { return false; }

 private:
  std::string grammar_;
};

/// Edits of a file without end: structure and strings by turns, as an agent's calls have them.
std::string endless_grammar() {
  const Json edit = Json::parse(R"({"type": "object",
    "required": ["file_path", "old_string", "new_string", "line"], "properties": {
    "file_path": {"type": "string", "maxLength": 60},
    "old_string": {"type": "string", "maxLength": 80},
    "new_string": {"type": "string", "maxLength": 80}, "line": {"type": "integer"},
    "replace_all": {"type": "boolean"}}})");
  answer::SchemaGrammar grammar;
  const auto item = grammar.value(edit, edit);
  return grammar.text("endless") + "endless ::= " + item + " \", \" endless\n";
}

struct Numbers {
  std::vector<double> values;
  double median(std::size_t from, std::size_t count) const {
    std::vector<double> part(values.begin() + static_cast<std::ptrdiff_t>(from),
                             values.begin() + static_cast<std::ptrdiff_t>(from + count));
    std::ranges::nth_element(part, part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2));
    return part[part.size() / 2];
  }
  double mean(std::size_t from, std::size_t count) const {
    double sum = 0;
    for (std::size_t i = from; i < from + count; ++i)
      sum += values[i];
    return sum / static_cast<double>(count);
  }
};

template <class F>
double milliseconds(F&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

Numbers time_sampling(engine::LlamaDecoder& decoder, const engine::SamplingOptions& options) {
  const auto sampler = decoder.make_sampler(options);
  Numbers numbers;
  for (int i = 0; i < kTokens; ++i)
    numbers.values.push_back(milliseconds([&] { sampler->sample(i % kOutputs); }));
  return numbers;
}

Numbers time_decoding(engine::LlamaDecoder& decoder) {
  Numbers numbers;
  for (int i = 0; i < kSteps; ++i) {
    const engine::BatchToken token{100 + i, i, 0, true};
    numbers.values.push_back(milliseconds([&] { (void)decoder.decode(std::span(&token, 1)); }));
  }
  return numbers;
}

Json machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string cpu;
  for (std::string line; cpu.empty() && std::getline(info, line);)
    if (line.starts_with("model name"))
      cpu = line.substr(line.find(':') + 2);
  double load = 0;
  getloadavg(&load, 1);
  struct utsname system{};
  uname(&system);
  return {{"cpu", cpu},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_gib", std::round(static_cast<double>(get_phys_pages()) *
                                    static_cast<double>(getpagesize()) / (1U << 30) * 10) /
                             10},
          {"system", std::string(system.sysname) + " " + system.machine},
          {"load_at_end", std::round(load * 100) / 100}};
}

Json row(const char* name, const Numbers& numbers, std::size_t from, std::size_t count) {
  const auto begin = numbers.values.begin() + static_cast<std::ptrdiff_t>(from);
  const auto [least, most] = std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(count));
  return {{"who", "anyclaude"},
          {"case", name},
          {"n", count},
          {"median", numbers.median(from, count)},
          {"mean", numbers.mean(from, count)},
          {"min", *least},
          {"max", *most},
          {"unit", "ms"}};
}

int run(const std::filesystem::path& model_file, const std::string& json_file) {
  engine::load_compute_backends();
  auto model = engine::Model::load({model_file});
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().c_str());
    return 1;
  }
  engine::ContextOptions context;
  context.context_tokens = 1024;
  context.max_outputs = kOutputs;
  context.sequences = 2;
  auto decoder = engine::LlamaDecoder::create(**model, context);
  if (!decoder) {
    std::fprintf(stderr, "%s\n", decoder.error().c_str());
    return 1;
  }
  const Numbers step = time_decoding(**decoder);
  std::vector<engine::BatchToken> batch;
  for (int i = 0; i < kOutputs; ++i)
    batch.push_back({200 + i, i, 1, true});
  if ((*decoder)->decode(batch) != engine::DecodeStatus::ok)
    return 1;
  engine::SamplingOptions options;
  options.has_seed = true;
  options.seed = 1;
  const Numbers free = time_sampling(**decoder, options);
  options.constraint = std::make_shared<OneRule>(endless_grammar());
  const Numbers held = time_sampling(**decoder, options);

  const auto last = static_cast<std::size_t>(kTokens - kEdge);
  const double decode_ms = step.median(4, kSteps - 4); // the first ones warm up
  const double overhead = (held.mean(1, kTokens - 1) - free.mean(1, kTokens - 1)) / decode_ms;
  const Json report = {
      {"machine", machine()},
      {"model", model_file.filename().string()},
      {"rows",
       {row("decode step", step, 4, kSteps - 4), row("drawing, free", free, 1, kTokens - 1),
        row("drawing, constrained", held, 1, kTokens - 1),
        row("constrained, first 1K", held, 1, kEdge),
        row("constrained, last 1K", held, last, kEdge)}},
      {"ratios",
       {{"constrained_overhead", overhead},
        {"constrained_flat", held.mean(last, kEdge) / held.mean(1, kEdge)}}}};
  for (const Json& each : report["rows"])
    std::printf("%-24s%10.4f ms (mean %.4f, %.4f to %.4f)\n",
                each["case"].get<std::string>().c_str(), each["median"].get<double>(),
                each["mean"].get<double>(), each["min"].get<double>(), each["max"].get<double>());
  for (const auto& [name, value] : report["ratios"].items())
    std::printf("%-24s%10.4f\n", name.c_str(), value.get<double>());
  if (!json_file.empty())
    std::ofstream(json_file) << report.dump(1) << "\n";
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  std::filesystem::path model;
  std::string json;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--model")
      model = argv[i + 1];
    else if (std::string_view(argv[i]) == "--json")
      json = argv[i + 1];
  }
  if (!model.empty())
    return run(model, json);
  const auto file = std::filesystem::temp_directory_path() /
                    ("anyclaude-bench-" + std::to_string(getpid()) + ".gguf");
  anyclaude::demo::ModelOptions options;
  options.size = anyclaude::demo::Size::qwen3_0_6b;
  options.random = true;
  if (const auto written = anyclaude::demo::write_demo_model(options, file); !written) {
    std::fprintf(stderr, "%s\n", written.error().c_str());
    return 1;
  }
  const int status = run(file, json);
  std::filesystem::remove(file);
  return status;
}
