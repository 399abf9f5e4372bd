#include "demo/demo_model.h"

#include "demo/chat_template.h"
#include "demo/vocabulary.h"
#include "demo/weights.h"

#include <gguf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <format>
#include <memory>
#include <system_error>
#include <vector>

namespace anyclaude::demo {

namespace {

constexpr std::string_view kNamePrefix = "anyclaude demo ";

struct GgufDeleter {
  void operator()(gguf_context* context) const { gguf_free(context); }
};
struct GgmlDeleter {
  void operator()(ggml_context* context) const { ggml_free(context); }
};
struct FileDeleter {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Gguf = std::unique_ptr<gguf_context, GgufDeleter>;
using Ggml = std::unique_ptr<ggml_context, GgmlDeleter>;
using File = std::unique_ptr<std::FILE, FileDeleter>;

Shape shape_of(Size size, Architecture architecture) {
  switch (size) {
  case Size::tiny:
    return {architecture, 4, 256, 4, 2, 64, 768, 32, GGML_TYPE_F16, 0};
  case Size::small:
    return {architecture, 8, 512, 8, 4, 64, 1536, 512, GGML_TYPE_F16, 0};
  case Size::qwen3_0_6b:
    return {architecture, 28, 1024, 16, 8, 128, 3072, 1024, GGML_TYPE_Q8_0, 151'936};
  }
  std::unreachable();
}

/// A file that is removed again unless it is put in its place.
class PendingFile {
 public:
  explicit PendingFile(const std::filesystem::path& out)
      : out_(out), path_(std::format("{}.{}.partial", out.string(), ::getpid())) {
    file_.reset(std::fopen(path_.c_str(), "wbx"));
    if (!file_)
      error_ = errno;
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (!file_)
      return;
    file_.reset();
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  std::FILE* get() const { return file_.get(); }
  bool write(const void* data, std::size_t size) {
    if (std::fwrite(data, 1, size, file_.get()) == size)
      return true;
    error_ = errno;
    return false;
  }
  /// Closes the file and gives it its name.
  bool commit() {
    if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) {
      error_ = errno;
      return false;
    }
    std::error_code error;
    std::filesystem::rename(path_, out_, error);
    if (error) {
      error_ = error.value();
      return false;
    }
    file_.reset();
    return true;
  }
  std::string error() const {
    return std::format("cannot write {}: {}", out_.string(),
                       std::generic_category().message(error_));
  }

 private:
  std::filesystem::path out_;
  std::filesystem::path path_;
  File file_;
  int error_ = 0;
};

/// Calls back at most five times a second, and at the end.
class ProgressReport {
 public:
  ProgressReport(const ModelOptions& options, std::uint64_t total)
      : options_(options), total_(total) {}
  void add(std::uint64_t bytes) {
    done_ += bytes;
    const auto now = std::chrono::steady_clock::now();
    if (!options_.progress || (done_ < total_ && now - last_ < std::chrono::milliseconds(200)))
      return;
    last_ = now;
    options_.progress(done_, total_);
  }

 private:
  const ModelOptions& options_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

void set_string(gguf_context* gguf, const char* key, const std::string& value) {
  gguf_set_val_str(gguf, key, value.c_str());
}

void set_strings(gguf_context* gguf, const char* key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const std::string& value : values)
    pointers.push_back(value.c_str());
  gguf_set_arr_str(gguf, key, pointers.data(), pointers.size());
}

void describe_model(gguf_context* gguf, const ModelOptions& options, const Shape& shape) {
  // LLAMA_FTYPE_MOSTLY_F16 and LLAMA_FTYPE_MOSTLY_Q8_0.
  const std::uint32_t file_type = shape.weight_type == GGML_TYPE_F16 ? 1 : 7;
  const char* kind = options.random ? "random" : "scripted";
  const std::string architecture(architecture_name(options.architecture));
  // The first architecture's name goes without saying.
  const bool is_first = options.architecture == Architecture::qwen3;
  set_string(gguf, "general.architecture", architecture);
  set_string(gguf, "general.type", "model");
  set_string(gguf, "general.name",
             std::format("{}{}{} ({})", kNamePrefix, size_name(options.size),
                         is_first ? "" : " " + architecture, kind));
  set_string(gguf, "general.description",
             "A stand-in for a language model: it has learned nothing.");
  gguf_set_val_u32(gguf, "general.file_type", file_type);
  gguf_set_val_u32(gguf, "general.quantization_version", GGML_QNT_VERSION);
  describe_shape(gguf, shape, options.context_length);
}

void describe_tokenizer(gguf_context* gguf, const Vocabulary& vocabulary,
                        const ScriptFile* scripts) {
  std::vector<std::int32_t> types;
  for (const TokenType type : vocabulary.types)
    types.push_back(std::to_underlying(type));
  set_string(gguf, "tokenizer.ggml.model", "gpt2");
  set_string(gguf, "tokenizer.ggml.pre", "qwen2");
  set_strings(gguf, "tokenizer.ggml.tokens", vocabulary.texts);
  gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
  set_strings(gguf, "tokenizer.ggml.merges", vocabulary.merges);
  gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", vocabulary.end_of_text);
  gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", vocabulary.end_of_turn);
  gguf_set_val_u32(gguf, "tokenizer.ggml.eot_token_id", vocabulary.end_of_turn);
  gguf_set_val_u32(gguf, "tokenizer.ggml.padding_token_id", vocabulary.end_of_text);
  gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", false);
  set_string(gguf, "tokenizer.chat_template", chat_template(scripts));
}

/// Adds the tensors' descriptions; their bytes are written later, one after the other.
std::uint64_t describe_tensors(gguf_context* gguf, ggml_context* ggml, const Weights& weights) {
  std::uint64_t bytes = 0;
  for (const TensorPlan& plan : weights.tensors()) {
    ggml_tensor* tensor = plan.rows == 0
                              ? ggml_new_tensor_1d(ggml, plan.type, plan.columns)
                              : ggml_new_tensor_2d(ggml, plan.type, plan.columns, plan.rows);
    ggml_set_name(tensor, plan.name.c_str());
    gguf_add_tensor(gguf, tensor);
    bytes += ggml_nbytes(tensor);
  }
  return bytes;
}

bool write_tensor(PendingFile& file, const Weights& weights, const TensorPlan& plan,
                  ProgressReport& progress) {
  constexpr std::int64_t kElementsAtOnce = 1 << 20;
  const std::int64_t rows = std::max<std::int64_t>(plan.rows, 1);
  const std::int64_t rows_at_once = std::max<std::int64_t>(kElementsAtOnce / plan.columns, 1);
  const std::size_t row_bytes = ggml_row_size(plan.type, plan.columns);
  std::vector<float> values;
  std::vector<char> bytes;
  for (std::int64_t first = 0; first < rows; first += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, rows - first);
    values.resize(static_cast<std::size_t>(count * plan.columns));
    weights.rows(plan, first, values);
    bytes.resize(static_cast<std::size_t>(count) * row_bytes);
    if (plan.type == GGML_TYPE_F32) {
      std::memcpy(bytes.data(), values.data(), bytes.size());
    } else {
      ggml_quantize_chunk(plan.type, values.data(), bytes.data(), 0, count, plan.columns, nullptr);
    }
    if (!file.write(bytes.data(), bytes.size()))
      return false;
    progress.add(bytes.size());
  }
  const std::size_t written = row_bytes * static_cast<std::size_t>(rows);
  const std::vector<char> padding(GGML_PAD(written, GGUF_DEFAULT_ALIGNMENT) - written);
  return file.write(padding.data(), padding.size());
}

} // namespace

std::optional<Size> parse_size(std::string_view name) {
  for (const Size size : {Size::tiny, Size::small, Size::qwen3_0_6b}) {
    if (size_name(size) == name)
      return size;
  }
  return std::nullopt;
}

std::string_view size_name(Size size) {
  switch (size) {
  case Size::tiny:
    return "tiny";
  case Size::small:
    return "small";
  case Size::qwen3_0_6b:
    return "0.6b";
  }
  std::unreachable();
}

std::optional<Architecture> parse_architecture(std::string_view name) {
  for (const Architecture architecture : kArchitectures) {
    if (architecture_name(architecture) == name)
      return architecture;
  }
  return std::nullopt;
}

std::string_view architecture_name(Architecture architecture) {
  switch (architecture) {
  case Architecture::qwen3:
    return "qwen3";
  case Architecture::gemma3:
    return "gemma3";
  case Architecture::mamba:
    return "mamba";
  case Architecture::lfm2:
    return "lfm2";
  }
  std::unreachable();
}

std::expected<void, std::string> write_demo_model(const ModelOptions& options,
                                                  const std::filesystem::path& out) {
  if (options.random && options.script) {
    return std::unexpected(
        "a model with random weights cannot follow a script; choose one of the two");
  }
  if (options.context_length == 0)
    return std::unexpected("the context length must be at least 1");
  std::optional<ScriptFile> script = options.script;
  if (!options.random && !script)
    script = default_script();
  const ScriptFile* scripts = script ? &*script : nullptr;

  Shape shape = shape_of(options.size, options.architecture);
  if (options.architecture == Architecture::lfm2) // has no key for another size
    shape.head_dim = shape.embedding / shape.heads;
  const auto vocabulary = make_vocabulary(scripts, shape.padded_vocabulary);
  if (!vocabulary)
    return std::unexpected(vocabulary.error());
  const auto weights = Weights::make(shape, *vocabulary, options.random, options.seed);
  if (!weights)
    return std::unexpected(weights.error());

  const Ggml ggml(ggml_init({weights->tensors().size() * ggml_tensor_overhead(), nullptr, true}));
  const Gguf gguf(gguf_init_empty());
  describe_model(gguf.get(), options, shape);
  describe_tokenizer(gguf.get(), *vocabulary, scripts);
  const std::uint64_t tensor_bytes = describe_tensors(gguf.get(), ggml.get(), *weights);

  PendingFile file(out);
  if (!file.get())
    return std::unexpected(file.error());
  std::vector<char> metadata(gguf_get_meta_size(gguf.get()));
  gguf_get_meta_data(gguf.get(), metadata.data());
  ProgressReport progress(options, metadata.size() + tensor_bytes);
  if (!file.write(metadata.data(), metadata.size()))
    return std::unexpected(file.error());
  progress.add(metadata.size());
  for (const TensorPlan& plan : weights->tensors()) {
    if (!write_tensor(file, *weights, plan, progress))
      return std::unexpected(file.error());
  }
  if (!file.commit())
    return std::unexpected(file.error());
  return {};
}

bool is_demo_model(std::string_view name) {
  return name.starts_with(kNamePrefix);
}

} // namespace anyclaude::demo
