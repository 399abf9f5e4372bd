#include "engine/model.h"

#include "engine/gguf_info.h"
#include "engine/library_log.h"

#include <dlfcn.h>
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <system_error>

namespace anyclaude::engine {

namespace {

using LlamaLog = LibraryLog<llama_log_set>;

std::optional<std::string> meta(const llama_model* model, const char* key) {
  std::string value(256, '\0');
  const int length = llama_model_meta_val_str(model, key, value.data(), value.size());
  if (length < 0)
    return std::nullopt;
  value.resize(std::min(static_cast<std::size_t>(length), value.size() - 1));
  return value;
}

std::optional<float> meta_number(const llama_model* model, llama_model_meta_key key) {
  const char* name = llama_model_meta_key_str(key);
  const auto text = name ? meta(model, name) : std::nullopt;
  if (!text)
    return std::nullopt;
  char* end = nullptr;
  const float value = std::strtof(text->c_str(), &end);
  return end == text->c_str() ? std::nullopt : std::optional(value);
}

int meta_int(const llama_model* model, const std::string& key, int otherwise) {
  const auto text = meta(model, key.c_str());
  return text ? std::atoi(text->c_str()) : otherwise;
}

MemoryKind memory_kind(const llama_model* model) {
  if (llama_model_is_hybrid(model))
    return MemoryKind::hybrid;
  if (llama_model_is_recurrent(model))
    return MemoryKind::recurrent;
  return llama_model_n_swa(model) > 0 ? MemoryKind::sliding_window : MemoryKind::full_attention;
}

/// Where Debian's libggml keeps its CPU backends, one for each generation of processors:
/// ggml/backends0 beside the library. libggml knows that folder by its path on Debian, which is
/// another one for a library in a private root or in an unpacked archive. Empty: there is none, and
/// libggml's own search is right.
std::filesystem::path backend_folder() {
  Dl_info library{};
  if (::dladdr(reinterpret_cast<const void*>(&ggml_backend_load_all), &library) == 0 ||
      !library.dli_fname)
    return {};
  std::error_code error;
  const auto beside = std::filesystem::absolute(library.dli_fname, error).parent_path() / "ggml";
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(beside, error))
    if (entry.path().filename().native().starts_with("backends"))
      folders.push_back(entry.path());
  std::ranges::sort(folders);
  return folders.empty() ? std::filesystem::path() : folders.front();
}

/// Whether the CPU multiplies with AMX tiles.
bool has_amx() {
  ggml_backend_reg_t cpu = ggml_backend_reg_by_name("CPU");
  if (!cpu)
    return false;
  const auto features = reinterpret_cast<ggml_backend_get_features_t>(
      ggml_backend_reg_get_proc_address(cpu, "ggml_backend_get_features"));
  if (!features)
    return false;
  for (const ggml_backend_feature* feature = features(cpu); feature->name; ++feature)
    if (std::string_view(feature->name) == "AMX_INT8")
      return std::string_view(feature->value) != "0";
  return false;
}

/// Layers with a state multiply their weights with a batch of several sequences at once, which
/// ggml's AMX kernels (0.27) compute wrong for all but the first, or crash. They come with the
/// "extra" buffers for weights; without those, ggml takes its ordinary kernels.
bool has_state_layers(MemoryKind kind) {
  return kind == MemoryKind::recurrent || kind == MemoryKind::hybrid;
}

SamplingOptions recommended_sampling(const llama_model* model) {
  SamplingOptions sampling;
  if (const auto v = meta_number(model, LLAMA_MODEL_META_KEY_SAMPLING_TEMP))
    sampling.temperature = *v;
  if (const auto v = meta_number(model, LLAMA_MODEL_META_KEY_SAMPLING_TOP_P))
    sampling.top_p = *v;
  if (const auto v = meta_number(model, LLAMA_MODEL_META_KEY_SAMPLING_MIN_P))
    sampling.min_p = *v;
  if (const auto v = meta_number(model, LLAMA_MODEL_META_KEY_SAMPLING_TOP_K))
    sampling.top_k = static_cast<int>(*v);
  return sampling;
}

std::string token_text(const llama_vocab* vocab, llama_token token) {
  const char* text = token < 0 ? nullptr : llama_vocab_get_text(vocab, token);
  return text ? text : "";
}

} // namespace

const char* to_string(MemoryKind kind) {
  switch (kind) {
  case MemoryKind::full_attention:
    return "full attention";
  case MemoryKind::sliding_window:
    return "sliding window";
  case MemoryKind::recurrent:
    return "recurrent";
  case MemoryKind::hybrid:
    return "hybrid";
  }
  return "unknown";
}

void load_compute_backends() {
  static std::once_flag once;
  std::call_once(once, [] {
    LlamaLog::listen("libllama");
    llama_backend_init();
    if (const auto folder = backend_folder(); !folder.empty())
      ggml_backend_load_all_from_path(folder.c_str());
    else
      ggml_backend_load_all();
  });
}

std::uint64_t free_accelerator_memory() {
  load_compute_backends();
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    if (ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU)
      continue;
    std::size_t free = 0;
    std::size_t total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    bytes += free;
  }
  return bytes;
}

std::vector<std::string> accelerators() {
  load_compute_backends();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i)
    if (ggml_backend_dev_t device = ggml_backend_dev_get(i);
        ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU ||
        ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_IGPU)
      names.emplace_back(ggml_backend_dev_description(device));
  return names;
}

std::expected<std::unique_ptr<Model>, std::string>
Model::load(const ModelOptions& options, const std::function<bool(float)>& progress) {
  const std::string path = options.path.string();
  if (std::ifstream file(path, std::ios::binary); !file)
    return std::unexpected("cannot open the model " + path + ": " + std::strerror(errno));

  load_compute_backends();
  LlamaLog::take_error();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = options.gpu_layers;
  if (const auto info = read_gguf_info(options.path); info && has_amx())
    params.use_extra_bufts = !has_state_layers(info->memory);
  params.progress_callback = [](float done, void* callback) {
    const auto& function = *static_cast<const std::function<bool(float)>*>(callback);
    return !function || function(done);
  };
  params.progress_callback_user_data = const_cast<std::function<bool(float)>*>(&progress);

  llama_model* handle = llama_model_load_from_file(path.c_str(), params);
  if (!handle) {
    const std::string reason = LlamaLog::take_error();
    return std::unexpected("cannot load the model " + path + ": " +
                           (reason.empty() ? "libllama gave no reason" : reason));
  }
  std::unique_ptr<Model> model(new Model(handle));
  model->uses_extra_buffers_ = params.use_extra_bufts;
  model->uses_gpu_ = options.gpu_layers != 0 && llama_supports_gpu_offload();
  if (llama_model_has_encoder(handle) || !llama_model_has_decoder(handle))
    return std::unexpected("the model " + path +
                           " is not a decoder: it cannot hold a conversation");
  model->read_facts(options.path);
  return model;
}

Model::~Model() {
  llama_model_free(model_);
}

void Model::read_facts(const std::filesystem::path& path) {
  facts_.id = path.stem().string();
  std::string description(256, '\0');
  const int length = llama_model_desc(model_, description.data(), description.size());
  description.resize(static_cast<std::size_t>(std::clamp(length, 0, 255)));
  facts_.description = description;
  if (const char* chat_template = llama_model_chat_template(model_, nullptr))
    facts_.chat_template = chat_template;
  facts_.bos_text = token_text(vocab(), llama_vocab_bos(vocab()));
  facts_.eos_text = token_text(vocab(), llama_vocab_eos(vocab()));
  facts_.train_context_tokens = llama_model_n_ctx_train(model_);
  facts_.file_bytes = llama_model_size(model_);
  facts_.memory = memory_kind(model_);
  facts_.window = llama_model_n_swa(model_);
  facts_.sampling = recommended_sampling(model_);

  const std::string architecture = meta(model_, "general.architecture").value_or("");
  facts_.original_context_tokens =
      meta_int(model_, architecture + ".rope.scaling.original_context_length", 0);
  const int heads = std::max(llama_model_n_head(model_), 1);
  const int head_size = llama_model_n_embd(model_) / heads;
  const int key = meta_int(model_, architecture + ".attention.key_length", head_size);
  const int value = meta_int(model_, architecture + ".attention.value_length", head_size);
  facts_.kv_bytes_per_token = static_cast<std::uint64_t>(llama_model_n_layer(model_)) *
                              static_cast<std::uint64_t>(llama_model_n_head_kv(model_)) *
                              static_cast<std::uint64_t>(key + value) * 2;

  for (Token token = 0; token < vocab_size(); ++token)
    if (is_control(token))
      control_texts_.push_back(token_text(vocab(), token));
}

const llama_vocab* Model::vocab() const {
  return llama_model_get_vocab(model_);
}

int Model::vocab_size() const {
  return llama_vocab_n_tokens(vocab());
}

std::vector<Token> Model::tokenize(std::string_view text, bool parse_special) const {
  std::vector<Token> tokens(text.size() / 3 + 16);
  const auto run = [&] {
    return llama_tokenize(vocab(), text.data(), static_cast<std::int32_t>(text.size()),
                          tokens.data(), static_cast<std::int32_t>(tokens.size()), false,
                          parse_special);
  };
  int count = run();
  if (count < 0) { // the negative of what is needed
    tokens.resize(static_cast<std::size_t>(-count));
    count = run();
  }
  tokens.resize(static_cast<std::size_t>(std::max(count, 0)));
  return tokens;
}

Token Model::prompt_start() const {
  return llama_vocab_get_add_bos(vocab()) ? llama_vocab_bos(vocab()) : -1;
}

std::string Model::piece(Token token) const {
  std::string bytes(64, '\0');
  const auto run = [&] {
    return llama_token_to_piece(vocab(), token, bytes.data(),
                                static_cast<std::int32_t>(bytes.size()), 0, true);
  };
  int length = run();
  if (length < 0) {
    bytes.resize(static_cast<std::size_t>(-length));
    length = run();
  }
  bytes.resize(static_cast<std::size_t>(std::max(length, 0)));
  return bytes;
}

bool Model::ends_turn(Token token) const {
  return llama_vocab_is_eog(vocab(), token);
}

bool Model::is_control(Token token) const {
  return llama_vocab_is_control(vocab(), token);
}

} // namespace anyclaude::engine
