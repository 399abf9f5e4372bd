#include "launch/server_probe.h"

#include "anthropic/json.h"
#include "launch/descriptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <format>
#include <set>

namespace anyclaude::launch {

struct ServerProbe::Answer {
  int status = 0;     // 0: none came
  std::string server; // the Server header
  Json body;          // an object or null
};

namespace {

/// A member of an object; null for anything else.
const Json& at(const Json& json, const char* key) {
  static const Json nothing;
  return json.is_object() && json.contains(key) ? json.at(key) : nothing;
}

std::string text(const Json& json) {
  return json.is_string() ? json.get<std::string>() : std::string();
}

int whole(const Json& json) {
  return json.is_number() ? static_cast<int>(json.get<double>()) : 0;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool bind_to(const Descriptor& socket, std::uint16_t port) {
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in address = loopback(port);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// By the owner that a server names in its list of models.
const ServerKind* kind_of_owner(const std::string& owner) {
  if (owner == "vllm" || owner == "sglang")
    return find_server_kind(owner);
  return owner == "tensorrt_llm" ? find_server_kind("tensorrt-llm") : nullptr;
}

} // namespace

ServerProbe::ServerProbe(std::chrono::milliseconds patience) : patience_(patience) {}

ServerProbe::Answer ServerProbe::get(const std::string& url, const std::string& path,
                                     const std::string& api_key) {
  const auto place = upstream::parse_url(url);
  if (!place)
    return {};
  upstream::Request request;
  request.origin = place->origin;
  request.target = place->path + path;
  request.connect_time = patience_;
  if (!api_key.empty())
    request.headers.emplace_back("Authorization", "Bearer " + api_key);
  const auto response = upstream::fetch(client_, std::move(request), patience_);
  if (!response)
    return {};
  Answer answer{response->status, std::string(upstream::header(response->headers, "server")),
                Json::parse(response->body, nullptr, false)};
  if (!answer.body.is_object())
    answer.body = nullptr;
  return answer;
}

void ServerProbe::ask_llama_cpp(FoundServer& found, const std::string& api_key) {
  const Answer props = get(found.url, "/props", api_key);
  found.context_tokens = whole(at(at(props.body, "default_generation_settings"), "n_ctx"));
  found.version = text(at(props.body, "build_info"));
  if (!found.models.empty())
    found.models.front().path = text(at(props.body, "model_path"));
}

bool ServerProbe::is_ollama(FoundServer& found, const std::string& api_key) {
  const Answer version = get(found.url, "/api/version", api_key);
  if (version.status != 200 || at(version.body, "version").is_null())
    return false;
  found.version = text(at(version.body, "version"));
  const Answer running = get(found.url, "/api/ps", api_key);
  for (ServedModel& model : found.models)
    model.loaded = false;
  for (const Json& one : at(running.body, "models"))
    for (ServedModel& model : found.models)
      if (model.id == text(at(one, "name"))) {
        model.loaded = true;
        found.context_tokens = model.context_tokens = whole(at(one, "context_length"));
      }
  return true;
}

bool ServerProbe::is_lm_studio(FoundServer& found, const std::string& api_key) {
  const Answer models = get(found.url, "/api/v0/models", api_key);
  if (models.status != 200 || !at(models.body, "data").is_array())
    return false;
  found.models.clear();
  for (const Json& one : at(models.body, "data")) {
    if (text(at(one, "type")) == "embeddings")
      continue;
    const bool loaded = text(at(one, "state")) == "loaded";
    const int context = whole(at(one, loaded ? "loaded_context_length" : "max_context_length"));
    found.models.push_back({text(at(one, "id")), "", context, loaded});
    if (loaded && found.context_tokens == 0)
      found.context_tokens = context;
  }
  return true;
}

std::optional<FoundServer> ServerProbe::look(const std::string& url, const std::string& api_key) {
  const Answer list = get(url, "/v1/models", api_key);
  if (list.status == 0)
    return std::nullopt;
  FoundServer found;
  found.url = url;
  found.loading = list.status == 503;
  std::string owner;
  if (at(list.body, "data").is_array())
    for (const Json& one : at(list.body, "data")) {
      found.models.push_back(
          {text(at(one, "id")), text(at(one, "root")), whole(at(one, "max_model_len")), true});
      owner = text(at(one, "owned_by"));
      found.context_tokens = std::max(found.context_tokens, found.models.back().context_tokens);
    }
  if (list.server.starts_with("llama.cpp") || owner == "llamacpp") {
    found.kind = find_server_kind("llama-cpp");
    ask_llama_cpp(found, api_key);
  } else if (const ServerKind* kind = kind_of_owner(owner)) {
    found.kind = kind;
    found.version = text(at(get(url, "/version", api_key).body, "version"));
  } else if (list.server.starts_with("BaseHTTP") && // Python's own server, as others use it too
             text(at(get(url, "/health", api_key).body, "status")) == "ok") {
    found.kind = find_server_kind("mlx-lm");
  } else if (is_ollama(found, api_key)) {
    found.kind = find_server_kind("ollama");
  } else if (is_lm_studio(found, api_key)) {
    found.kind = find_server_kind("lmstudio");
  } else {
    const Answer described = get(url, "/openapi.json", api_key);
    if (text(at(at(described.body, "info"), "title")) == "MLX Omni Server")
      found.kind = find_server_kind("mlx-omni");
    else if (list.status != 200 || !at(list.body, "data").is_array())
      return std::nullopt; // some other web server
  }
  return found;
}

std::vector<FoundServer> ServerProbe::look_at_default_ports() {
  std::set<std::uint16_t> ports;
  for (const ServerKind& kind : server_kinds())
    ports.insert(kind.ports.begin(), kind.ports.end());
  std::vector<FoundServer> found;
  for (const std::uint16_t port : ports)
    if (auto server = look(loopback_url(port)))
      found.push_back(std::move(*server));
  return found;
}

bool serves(const FoundServer& found, const ServerKind& kind, const std::string& model) {
  if (found.kind != &kind)
    return false;
  // MLX-Omni loads whatever a request names; where nothing is said, there is nothing to compare.
  if (model.empty() || found.models.empty() || kind.mode == "mlx-omni")
    return true;
  const std::string name = std::filesystem::path(model).filename().string();
  return std::ranges::any_of(found.models, [&](const ServedModel& one) {
    return one.id == model || one.path == model || one.id == name;
  });
}

std::string loopback_url(std::uint16_t port) {
  return std::format("http://127.0.0.1:{}", port);
}

bool is_free_port(std::uint16_t port) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  return bind_to(socket, port);
}

std::uint16_t free_port() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (!bind_to(socket, 0) ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return 0;
  return ntohs(address.sin_port);
}

} // namespace anyclaude::launch
