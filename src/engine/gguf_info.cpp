#include "engine/gguf_info.h"

#include <gguf.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <format>
#include <fstream>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

namespace anyclaude::engine {

namespace {

struct GgufDeleter {
  void operator()(gguf_context* context) const { gguf_free(context); }
};
using Gguf = std::unique_ptr<gguf_context, GgufDeleter>;

/// More layers than any model has; a damaged count must not become a long loop.
constexpr std::uint64_t kMostLayers = 4096;

std::optional<std::uint64_t> not_negative(std::int64_t value) {
  return value < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(value));
}

/// An element of a numeric array, whatever its integer type is.
std::optional<std::uint64_t> array_number(gguf_type type, const void* data, std::size_t index) {
  const auto element = [&]<class T>(T) {
    T value;
    std::memcpy(&value, static_cast<const char*>(data) + index * sizeof(T), sizeof(T));
    return value;
  };
  switch (type) {
  case GGUF_TYPE_UINT8:
    return element(std::uint8_t{});
  case GGUF_TYPE_UINT16:
    return element(std::uint16_t{});
  case GGUF_TYPE_UINT32:
    return element(std::uint32_t{});
  case GGUF_TYPE_UINT64:
    return element(std::uint64_t{});
  case GGUF_TYPE_INT8:
  case GGUF_TYPE_BOOL:
    return not_negative(element(std::int8_t{}));
  case GGUF_TYPE_INT16:
    return not_negative(element(std::int16_t{}));
  case GGUF_TYPE_INT32:
    return not_negative(element(std::int32_t{}));
  case GGUF_TYPE_INT64:
    return not_negative(element(std::int64_t{}));
  default:
    return std::nullopt;
  }
}

/// Typed access to the metadata. libggml aborts when a value is asked for as another type than the
/// file gives it, so every access looks at the type first.
class Metadata {
 public:
  explicit Metadata(const gguf_context* gguf) : gguf_(gguf) {}

  std::string text(const std::string& key) const {
    const std::int64_t id = find(key, GGUF_TYPE_STRING);
    return id < 0 ? "" : gguf_get_val_str(gguf_, id);
  }

  std::optional<std::uint64_t> number(const std::string& key) const {
    const std::int64_t id = gguf_find_key(gguf_, key.c_str());
    if (id < 0)
      return std::nullopt;
    const gguf_type type = gguf_get_kv_type(gguf_, id);
    if (type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY)
      return std::nullopt;
    return array_number(type, gguf_get_val_data(gguf_, id), 0);
  }

  bool has(const std::string& key) const { return gguf_find_key(gguf_, key.c_str()) >= 0; }

  /// A number for each layer: the key holds either one for all, or an array of them.
  std::vector<std::uint64_t> per_layer(const std::string& key, std::uint64_t layers,
                                       std::uint64_t otherwise) const {
    const std::int64_t id = find(key, GGUF_TYPE_ARRAY);
    if (id < 0)
      return std::vector(layers, number(key).value_or(otherwise));
    std::vector values(layers, otherwise);
    const gguf_type type = gguf_get_arr_type(gguf_, id);
    if (type == GGUF_TYPE_STRING)
      return values;
    const std::size_t count = std::min<std::size_t>(gguf_get_arr_n(gguf_, id), layers);
    for (std::size_t i = 0; i < count; ++i)
      values[i] = array_number(type, gguf_get_arr_data(gguf_, id), i).value_or(otherwise);
    return values;
  }

  std::size_t string_count(const std::string& key) const {
    const std::int64_t id = find_strings(key);
    return id < 0 ? 0 : gguf_get_arr_n(gguf_, id);
  }

  std::string string_at(const std::string& key, std::size_t index) const {
    const std::int64_t id = find_strings(key);
    return id < 0 || index >= gguf_get_arr_n(gguf_, id) ? "" : gguf_get_arr_str(gguf_, id, index);
  }

 private:
  std::int64_t find(const std::string& key, gguf_type type) const {
    const std::int64_t id = gguf_find_key(gguf_, key.c_str());
    return id >= 0 && gguf_get_kv_type(gguf_, id) == type ? id : -1;
  }
  std::int64_t find_strings(const std::string& key) const {
    const std::int64_t id = find(key, GGUF_TYPE_ARRAY);
    return id >= 0 && gguf_get_arr_type(gguf_, id) == GGUF_TYPE_STRING ? id : -1;
  }

  const gguf_context* gguf_;
};

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view p) { return text.starts_with(p); });
}

/// Fills in what the file says about tensors, and checks that their bytes are all there.
std::expected<void, std::string> read_tensors(const gguf_context* gguf, GgufInfo& info) {
  std::map<ggml_type, std::uint64_t> elements_of_type;
  const std::uint64_t data_start = gguf_get_data_offset(gguf);
  for (std::int64_t i = 0; i < gguf_get_n_tensors(gguf); ++i) {
    const std::uint64_t start = data_start + gguf_get_tensor_offset(gguf, i);
    const std::uint64_t size = gguf_get_tensor_size(gguf, i);
    if (start > info.file_bytes || size > info.file_bytes - start)
      return std::unexpected(std::format(
          "the file is cut short: it has {} bytes, and {} should end at byte {}; download it again",
          info.file_bytes, gguf_get_tensor_name(gguf, i), start + size));
    std::uint64_t elements = 1;
    for (int dimension = 0; dimension < GGML_MAX_DIMS; ++dimension)
      elements *= static_cast<std::uint64_t>(gguf_get_tensor_ne(gguf, i)[dimension]);
    info.parameters += elements;
    elements_of_type[gguf_get_tensor_type(gguf, i)] += elements;
  }
  const auto most =
      std::ranges::max_element(elements_of_type, {}, [](auto& entry) { return entry.second; });
  if (most != elements_of_type.end()) {
    info.quantization = ggml_type_name(most->first);
    std::ranges::transform(info.quantization, info.quantization.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  }
  return {};
}

/// The window that libllama applies; some architectures carry the key but attend fully all the
/// same.
std::uint64_t sliding_window(const Metadata& metadata, const std::string& architecture) {
  constexpr std::array kAttendFully{"llama",    "qwen2", "qwen2moe", "qwen3",
                                    "qwen3moe", "phi3",  "phimoe",   "bitnet"};
  if (std::ranges::find(kAttendFully, architecture) != kAttendFully.end())
    return 0;
  // What libllama assumes when the file does not say.
  const std::uint64_t otherwise = architecture == "gemma2"   ? 4096
                                  : architecture == "llama4" ? 8192
                                                             : 0;
  return metadata.number(architecture + ".attention.sliding_window").value_or(otherwise);
}

bool has_recurrent_layers(const Metadata& metadata, const std::string& architecture) {
  constexpr std::array kKeys{".ssm.state_size", ".ssm.conv_kernel", ".shortconv.l_cache",
                             ".wkv.head_size",  ".kda.head_dim",    ".full_attention_interval"};
  return std::ranges::any_of(kKeys,
                             [&](const char* key) { return metadata.has(architecture + key); });
}

/// Key/value heads by layer, 0 where a layer keeps no keys and values of its own.
std::vector<std::uint64_t> kv_heads_by_layer(const Metadata& metadata, const GgufInfo& info) {
  const std::string& architecture = info.architecture;
  auto heads =
      metadata.per_layer(architecture + ".attention.head_count_kv", info.layers, info.heads);
  if (starts_with_any(architecture, {"mamba", "rwkv", "arwkv"}))
    std::ranges::fill(heads, 0);
  const std::uint64_t usual = starts_with_any(architecture, {"qwen3next", "qwen35"}) ? 4 : 0;
  const auto interval = metadata.number(architecture + ".full_attention_interval").value_or(usual);
  // Layers for multi-token prediction come last and are not run; some models' last layers use the
  // keys and values of earlier ones.
  const auto idle = metadata.number(architecture + ".nextn_predict_layers").value_or(0);
  const auto shared = metadata.number(architecture + ".attention.shared_kv_layers").value_or(0);
  const std::uint64_t without = std::min(info.layers, std::max(idle, shared));
  for (std::uint64_t layer = 0; layer < info.layers; ++layer) {
    const bool recurrent = interval > 1 && (layer + 1) % interval != 0;
    if (recurrent || layer >= info.layers - without)
      heads[layer] = 0;
  }
  return heads;
}

void read_memory(const Metadata& metadata, GgufInfo& info) {
  const std::string attention = info.architecture + ".attention.";
  const std::uint64_t head_size = info.heads == 0 ? 0 : info.embedding / info.heads;
  const auto key = metadata.number(attention + "key_length").value_or(head_size);
  auto value = metadata.number(attention + "value_length").value_or(head_size);
  // Multi-head latent attention keeps one compressed row, which serves as key and value.
  if (metadata.has(attention + "key_length_mla"))
    value = 0;
  const auto window_key = metadata.number(attention + "key_length_swa").value_or(key);
  const auto window_value = metadata.number(attention + "value_length_swa").value_or(value);
  const auto in_window = metadata.per_layer(attention + "sliding_window_pattern", info.layers, 0);
  const bool by_layer = metadata.has(attention + "key_length_swa");

  const std::vector<std::uint64_t> heads = kv_heads_by_layer(metadata, info);
  for (std::uint64_t layer = 0; layer < info.layers; ++layer) {
    const bool windowed = by_layer && in_window[layer] != 0;
    constexpr std::uint64_t kBytesPerValue = 2;
    info.kv_bytes_per_token +=
        heads[layer] * (windowed ? window_key + window_value : key + value) * kBytesPerValue;
    info.attention_layers += heads[layer] > 0 ? 1 : 0;
    info.kv_heads = std::max(info.kv_heads, heads[layer]);
  }
  info.sliding_window = sliding_window(metadata, info.architecture);
  if (info.attention_layers == 0)
    info.memory = MemoryKind::recurrent;
  else if (has_recurrent_layers(metadata, info.architecture))
    info.memory = MemoryKind::hybrid;
  else if (info.sliding_window > 0)
    info.memory = MemoryKind::sliding_window;
}

/// The tokens that the file names as ends, and those that libllama knows by their text.
std::vector<std::string> stop_tokens(const Metadata& metadata) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  constexpr std::array kKnown{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>",
                              "<|end|>",    "<end_of_turn>", "<turn|>",    "<|return|>",
                              "<|call|>",   "<|eom|>",       "<EOT>",      "<|end_of_text|>"};
  std::vector<std::string> stops;
  const auto add = [&](std::string text) {
    if (!text.empty() && std::ranges::find(stops, text) == stops.end())
      stops.push_back(std::move(text));
  };
  for (const char* key : {"eos", "eot", "eom"})
    if (const auto id = metadata.number(std::format("tokenizer.ggml.{}_token_id", key)))
      add(metadata.string_at(kTokens, *id));
  for (std::size_t i = 0; i < metadata.string_count(kTokens); ++i) {
    const std::string text = metadata.string_at(kTokens, i);
    if (std::ranges::find(kKnown, text) != kKnown.end())
      add(text);
  }
  return stops;
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return text.contains(part); });
}

void read_language(const Metadata& metadata, GgufInfo& info) {
  info.tokenizer = metadata.text("tokenizer.ggml.model");
  const std::string pre = metadata.text("tokenizer.ggml.pre");
  if (!pre.empty())
    info.tokenizer += " (" + pre + ")";
  info.vocabulary = metadata.string_count("tokenizer.ggml.tokens");
  info.stop_tokens = stop_tokens(metadata);
  info.chat_template = metadata.text("tokenizer.chat_template");
  info.template_has_tools = contains_any(info.chat_template, {"tools", "tool_calls"});
  info.template_has_thinking = contains_any(
      info.chat_template, {"<think>", "enable_thinking", "reasoning_content", "thinking"});
}

/// Looks at the first bytes, so that the commonest mistakes get a sentence of their own.
std::expected<std::uint64_t, std::string> check_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    return std::unexpected("there is no such file");
  if (!std::filesystem::is_regular_file(status))
    return std::unexpected("this is not a regular file; give the path of a .gguf file");
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (!file || error)
    return std::unexpected(std::string("cannot open it: ") + std::strerror(errno));

  std::array<char, 8> start{};
  file.read(start.data(), start.size());
  const auto read = static_cast<std::size_t>(file.gcount());
  constexpr std::string_view kMagic = "GGUF";
  if (size == 0)
    return std::unexpected("the file is empty");
  if (std::string_view(start.data(), std::min(read, kMagic.size())) != kMagic)
    return std::unexpected("this is not a GGUF file: its first bytes are not \"GGUF\"");
  std::uint32_t version = 0;
  std::memcpy(&version, start.data() + kMagic.size(), sizeof version);
  if (read == start.size() && version != 0 && (version & 0xFFFFU) == 0)
    return std::unexpected("the file is written in the other byte order (big-endian)");
  return size;
}

std::expected<GgufInfo, std::string> read_info(const std::filesystem::path& path) {
  const auto size = check_file(path);
  if (!size)
    return std::unexpected(size.error());
  const Gguf gguf(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}));
  if (!gguf)
    return std::unexpected("the file's header is damaged or cut short; download it again");

  const Metadata metadata(gguf.get());
  GgufInfo info;
  info.file_bytes = *size;
  info.architecture = metadata.text("general.architecture");
  if (info.architecture.empty())
    return std::unexpected(
        "the file names no architecture (general.architecture): it is damaged, or no model");
  info.layers = metadata.number(info.architecture + ".block_count").value_or(0);
  if (info.layers == 0 || info.layers > kMostLayers)
    return std::unexpected(std::format("the file is no language model: {}.block_count is {}",
                                       info.architecture,
                                       info.layers == 0 ? "missing" : std::to_string(info.layers)));
  info.name = metadata.text("general.name");
  info.split_count = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(metadata.number("split.count").value_or(1), 1, 65'535));
  info.context_tokens = metadata.number(info.architecture + ".context_length").value_or(0);
  info.embedding = metadata.number(info.architecture + ".embedding_length").value_or(0);
  info.heads = std::ranges::max(
      metadata.per_layer(info.architecture + ".attention.head_count", info.layers, 0));
  if (auto tensors = read_tensors(gguf.get(), info); !tensors)
    return std::unexpected(tensors.error());
  read_memory(metadata, info);
  read_language(metadata, info);
  return info;
}

} // namespace

std::expected<GgufInfo, std::string> read_gguf_info(const std::filesystem::path& path) {
  return read_info(path).transform_error(
      [&](const std::string& error) { return path.string() + ": " + error; });
}

} // namespace anyclaude::engine
