#include "demo/gguf_output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <format>
#include <system_error>

namespace anyclaude::demo {

namespace {

struct GgmlDeleter {
  void operator()(ggml_context* context) const { ggml_free(context); }
};
struct FileDeleter {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Ggml = std::unique_ptr<ggml_context, GgmlDeleter>;
using File = std::unique_ptr<std::FILE, FileDeleter>;
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

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
  ProgressReport(const Progress& callback, std::uint64_t total)
      : callback_(callback), total_(total) {}
  void add(std::uint64_t bytes) {
    done_ += bytes;
    const auto now = std::chrono::steady_clock::now();
    if (!callback_ || (done_ < total_ && now - last_ < std::chrono::milliseconds(200)))
      return;
    last_ = now;
    callback_(done_, total_);
  }

 private:
  const Progress& callback_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Adds the tensors' descriptions; their bytes are written later, one after the other.
std::uint64_t describe_tensors(gguf_context& gguf, ggml_context* ggml,
                               const std::vector<TensorPlan>& tensors) {
  std::uint64_t bytes = 0;
  for (const TensorPlan& plan : tensors) {
    std::array<std::int64_t, GGML_MAX_DIMS> extents{plan.columns, plan.rows, 1, 1};
    int dimensions = plan.rows == 0 ? 1 : 2;
    if (!plan.outer.empty()) {
      std::ranges::copy(plan.outer, extents.begin() + 1);
      dimensions = 1 + static_cast<int>(plan.outer.size());
    }
    ggml_tensor* tensor = ggml_new_tensor(ggml, plan.type, dimensions, extents.data());
    ggml_set_name(tensor, plan.name.c_str());
    gguf_add_tensor(&gguf, tensor);
    bytes += ggml_nbytes(tensor);
  }
  return bytes;
}

bool write_tensor(PendingFile& file, const FillRows& fill, const TensorPlan& plan,
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
    fill(plan, first, values);
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

std::expected<void, std::string> write_gguf(gguf_context& gguf,
                                            const std::vector<TensorPlan>& tensors,
                                            const FillRows& fill, const std::filesystem::path& out,
                                            const Progress& callback) {
  const Ggml ggml(ggml_init({tensors.size() * ggml_tensor_overhead(), nullptr, true}));
  const std::uint64_t tensor_bytes = describe_tensors(gguf, ggml.get(), tensors);
  PendingFile file(out);
  if (!file.get())
    return std::unexpected(file.error());
  std::vector<char> metadata(gguf_get_meta_size(&gguf));
  gguf_get_meta_data(&gguf, metadata.data());
  ProgressReport progress(callback, metadata.size() + tensor_bytes);
  if (!file.write(metadata.data(), metadata.size()))
    return std::unexpected(file.error());
  progress.add(metadata.size());
  for (const TensorPlan& plan : tensors)
    if (!write_tensor(file, fill, plan, progress))
      return std::unexpected(file.error());
  if (!file.commit())
    return std::unexpected(file.error());
  return {};
}

} // namespace anyclaude::demo
