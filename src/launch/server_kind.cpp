#include "launch/server_kind.h"

#include "launch/model_places.h"
#include "launch/tool_parsers.h"

#include <unistd.h>

#include <array>
#include <format>
#include <fstream>
#include <ranges>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

using Command = std::expected<ServerCommand, std::string>;

// Every one is started on loopback: some listen on all interfaces by default.
constexpr const char* kLoopback = "127.0.0.1";

// A model's path is given, so nothing needs a hub; without it a misspelled name is a download.
const std::pair<std::string, std::string> kOffline = {"HF_HUB_OFFLINE", "1"};

void add(std::vector<std::string>& arguments, std::string_view option, std::string_view value) {
  if (value.empty())
    return;
  arguments.emplace_back(option);
  arguments.emplace_back(value);
}

std::string port_of(const ServerOrder& order) {
  return std::to_string(order.port);
}

std::string context_of(const ServerOrder& order) {
  return order.context_tokens > 0 ? std::to_string(order.context_tokens) : "";
}

std::string last_name(const std::string& path) {
  return fs::path(path).filename().string();
}

Command mlx_lm(const ServerOrder& order) {
  return ServerCommand{
      {"mlx_lm.server", "--model", order.model, "--host", kLoopback, "--port", port_of(order)},
      {kOffline}};
}

Command mlx_omni(const ServerOrder& order) {
  return ServerCommand{{"mlx-omni-server", "--host", kLoopback, "--port", port_of(order)},
                       {kOffline}};
}

Command llama_cpp(const ServerOrder& order) {
  // The number of slots is left to the server: they then share one KV cache, so that each of them
  // has the whole context.
  ServerCommand command{{"llama-server", "-m", order.model, "--jinja", "--host", kLoopback,
                         "--port", port_of(order)}};
  add(command.arguments, "-c", context_of(order));
  return command;
}

Command vllm(const ServerOrder& order) {
  const ParserNames parsers = parsers_for(ParserOwner::vllm, order.model);
  ServerCommand command{{"vllm", "serve", order.model, "--served-model-name",
                         last_name(order.model), "--host", kLoopback, "--port", port_of(order),
                         "--enable-prompt-tokens-details"},
                        {kOffline}};
  if (!parsers.tools.empty())
    command.arguments.emplace_back("--enable-auto-tool-choice");
  add(command.arguments, "--tool-call-parser", parsers.tools);
  add(command.arguments, "--reasoning-parser", parsers.reasoning);
  add(command.arguments, "--max-model-len", context_of(order));
  return command;
}

Command tensorrt_llm(const ServerOrder& order) {
  // Block reuse is what keeps prefixes; the file is the only way to say it.
  const fs::path file = order.folder / "tensorrt-llm.yml";
  std::ofstream(file) << "kv_cache_config:\n  enable_block_reuse: true\n";
  if (std::error_code failed; !fs::exists(file, failed))
    return std::unexpected(std::format("cannot write {}", file.native()));
  const ParserNames parsers = parsers_for(ParserOwner::tensorrt_llm, order.model);
  // Newer versions call the file --config, and know this name too.
  ServerCommand command{{"trtllm-serve", order.model, "--host", kLoopback, "--port", port_of(order),
                         "--extra_llm_api_options", file.native()},
                        {kOffline}};
  add(command.arguments, "--tool_parser", parsers.tools);
  add(command.arguments, "--reasoning_parser", parsers.reasoning);
  add(command.arguments, "--max_seq_len", context_of(order));
  return command;
}

Command lm_studio(const ServerOrder& order) {
  ServerCommand command{{"lms", "server", "start", "--port", port_of(order)}};
  command.stop = {"lms", "server", "stop"};
  if (!order.model.empty()) {
    command.then = {"lms", "load", order.model, "--yes"};
    add(command.then, "--context-length", context_of(order));
  }
  return command;
}

Command ollama(const ServerOrder& order) {
  ServerCommand command{
      {"ollama", "serve"},
      {{"OLLAMA_HOST", std::format("{}:{}", kLoopback, order.port)}, {"OLLAMA_KEEP_ALIVE", "-1"}}};
  // Its own default is 4,096 tokens on small machines, and it cuts longer prompts without a word.
  command.variables.emplace_back(
      "OLLAMA_CONTEXT_LENGTH",
      std::to_string(order.context_tokens > 0 ? order.context_tokens : 65'536));
  return command;
}

Command sglang(const ServerOrder& order) {
  const ParserNames parsers = parsers_for(ParserOwner::sglang, order.model);
  ServerCommand command{{"python3", "-m", "sglang.launch_server", "--model-path", order.model,
                         "--served-model-name", last_name(order.model), "--host", kLoopback,
                         "--port", port_of(order), "--enable-cache-report"},
                        {kOffline}};
  add(command.arguments, "--tool-call-parser", parsers.tools);
  add(command.arguments, "--reasoning-parser", parsers.reasoning);
  add(command.arguments, "--context-length", context_of(order));
  return command;
}

bool is_model_folder(const fs::path& path) {
  std::error_code failed;
  return fs::is_regular_file(path / "config.json", failed);
}

std::string how_to_get_folder(const std::string& named) {
  return std::format("give the path of a folder with a config.json, or fetch one first: "
                     "`hf download {} --local-dir DIR`",
                     named.contains('/') && !named.starts_with('/') ? named : "ORG/MODEL");
}

} // namespace

std::span<const ServerKind> server_kinds() {
  static const std::array<ServerKind, 8> kinds = {{
      {"mlx-lm",
       "MLX-LM",
       "mlx_lm.server",
       "pip install mlx-lm",
       {8080},
       ModelForm::folder,
       true,
       mlx_lm},
      {"lmstudio",
       "LM Studio",
       "lms",
       "https://lmstudio.ai, then `lms bootstrap`",
       {1234},
       ModelForm::name,
       false,
       lm_studio},
      {"vllm", "vLLM", "vllm", "pip install vllm", {8000}, ModelForm::folder, true, vllm},
      {"llama-cpp",
       "llama.cpp",
       "llama-server",
       "brew install llama.cpp, or apt install llama.cpp-tools",
       {8080, 9931},
       ModelForm::gguf_file,
       true,
       llama_cpp},
      {"tensorrt-llm",
       "TensorRT-LLM",
       "trtllm-serve",
       "pip install tensorrt-llm",
       {8000},
       ModelForm::folder,
       true,
       tensorrt_llm},
      {"mlx-omni",
       "MLX-Omni-Server",
       "mlx-omni-server",
       "pip install mlx-omni-server",
       {10240},
       ModelForm::folder,
       true,
       mlx_omni},
      {"ollama",
       "Ollama",
       "ollama",
       "https://ollama.com/download",
       {11434},
       ModelForm::name,
       true,
       ollama},
      {"sglang",
       "SGLang",
       "python3",
       "pip install sglang",
       {30000},
       ModelForm::folder,
       true,
       sglang},
  }};
  return kinds;
}

const ServerKind* find_server_kind(std::string_view mode) {
  const auto found = std::ranges::find(server_kinds(), mode, &ServerKind::mode);
  return found == server_kinds().end() ? nullptr : &*found;
}

std::vector<std::string_view> mode_names() {
  std::vector<std::string_view> names = {"local"};
  for (const ServerKind& kind : server_kinds())
    names.push_back(kind.mode);
  names.emplace_back("openai");
  names.emplace_back("claude");
  return names;
}

std::string listed_modes() {
  std::string list;
  const auto names = mode_names();
  for (std::size_t i = 0; i < names.size(); ++i)
    list += std::string(i == 0                  ? ""
                        : i + 1 == names.size() ? " and "
                                                : ", ") +
            std::string(names[i]);
  return list;
}

std::string served_name(const ServerKind& kind, const std::string& model) {
  if (kind.mode == "mlx-lm")
    return "default_model"; // any other name would be looked for, and perhaps loaded
  // MLX-Omni loads what a request names, and takes the path.
  return kind.form == ModelForm::name || kind.mode == "mlx-omni" ? model : last_name(model);
}

std::expected<std::string, std::string> resolve_model(const ServerKind& kind,
                                                      const std::string& named,
                                                      const EnvironmentLookup& environment) {
  if (kind.form == ModelForm::name || named.empty())
    return named;
  std::error_code failed;
  fs::path path = named;
  if (named.starts_with("~/"))
    path = fs::path(environment("HOME").value_or("/")) / named.substr(2);
  path = fs::weakly_canonical(fs::absolute(path, failed), failed);
  if (kind.form == ModelForm::gguf_file) {
    if (fs::is_regular_file(path, failed))
      return path.native();
    return std::unexpected(
        std::format("there is no model file {}; {} serves GGUF files", path.native(), kind.title));
  }
  if (is_model_folder(path))
    return path.native();
  if (const auto cached = hugging_face_folder(named, environment); !cached.empty())
    return cached.native();
  if (fs::is_regular_file(path, failed))
    return std::unexpected(std::format("{} is a file; {} serves folders. For a GGUF file: --mode "
                                       "local or --mode llama-cpp",
                                       path.native(), kind.title));
  if (fs::is_directory(path, failed))
    return std::unexpected(std::format("{} has no config.json: it is no model; {}", path.native(),
                                       how_to_get_folder(named)));
  return std::unexpected(std::format("there is no model folder {}, and no \"{}\" in Hugging Face's "
                                     "cache on this machine; {}",
                                     path.native(), named, how_to_get_folder(named)));
}

fs::path find_program(std::string_view name, const EnvironmentLookup& environment) {
  const std::string path = environment("PATH").value_or("");
  std::error_code failed;
  for (const auto part : std::views::split(path, ':')) {
    const fs::path file = fs::path(std::string_view(part)) / name;
    if (!file.parent_path().empty() && fs::is_regular_file(file, failed) &&
        ::access(file.c_str(), X_OK) == 0)
      return file;
  }
  return {};
}

} // namespace anyclaude::launch
