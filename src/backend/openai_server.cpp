#include "backend/openai_server.h"

#include "backend/openai_error.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace anyclaude::backend {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookTime = 5'000ms;

std::string text_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

/// The array behind a key; empty where there is none.
Json list_member(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_array() ? *found : Json::array();
}

} // namespace

upstream::Request ServerAddress::request(std::string method, std::string_view path) const {
  upstream::Request request;
  request.origin = url.origin;
  request.method = std::move(method);
  request.target = url.path + std::string(path);
  if (!api_key.empty())
    request.headers.emplace_back("Authorization", "Bearer " + api_key);
  if (request.method == "POST")
    request.headers.emplace_back("Content-Type", "application/json");
  return request;
}

OpenAiServer::OpenAiServer(Options options, const OpenAiDialect& dialect, upstream::Client& client)
    : options_(std::move(options)), dialect_(dialect), client_(client) {
  facts_.health.detail = server_name(dialect_, options_.base_url) + " was not asked yet";
  thread_ = std::thread([this] { run(); });
}

OpenAiServer::~OpenAiServer() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

OpenAiServer::Facts OpenAiServer::facts() const {
  const std::scoped_lock lock(mutex_);
  return facts_;
}

OpenAiServer::Facts OpenAiServer::facts_within(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  if (facts_.asked && facts_.health.ready)
    return facts_;
  wanted_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, time, [this] { return stopping_ || (!wanted_ && !looking_); });
  return facts_;
}

void OpenAiServer::doubt() {
  const std::scoped_lock lock(mutex_);
  wanted_ = true;
  changed_.notify_all();
}

void OpenAiServer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wanted_ = false;
    looking_ = true;
    lock.unlock();
    Facts found = look();
    lock.lock();
    looking_ = false;
    if (found.health.ready != facts_.health.ready || !facts_.asked) {
      if (found.health.ready)
        spdlog::info("{} answers with the model {}", server_name(dialect_, options_.base_url),
                     found.model);
      else
        spdlog::warn("{}", found.health.detail);
    }
    if (!found.health.ready && found.model.empty()) { // what it had, it will have again
      found.model = facts_.model;
      found.models = facts_.models;
      found.context_tokens = facts_.context_tokens;
      found.images = facts_.images;
    }
    const bool changed =
        found.health.ready != facts_.health.ready || found.health.detail != facts_.health.detail ||
        found.model != facts_.model || found.context_tokens != facts_.context_tokens;
    facts_ = std::move(found);
    changed_.notify_all();
    if (changed && options_.on_change) {
      lock.unlock();
      options_.on_change();
      lock.lock();
    }
    const auto pause = facts_.health.ready ? options_.period : options_.period / 5;
    changed_.wait_for(lock, pause, [this] { return stopping_ || wanted_; });
  }
}

std::optional<Json> OpenAiServer::ask(upstream::Request request) const {
  request.connect_time = kLookTime;
  const auto response = upstream::fetch(client_, std::move(request), kLookTime);
  if (!response || response->status != 200)
    return std::nullopt;
  Json json = Json::parse(response->body, nullptr, false);
  return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

std::optional<Json> OpenAiServer::get(std::string_view path) const {
  return ask(options_.address.request("GET", path));
}

OpenAiServer::Facts OpenAiServer::look() const {
  Facts facts;
  facts.asked = true;
  facts.model = options_.model.empty() ? std::string(dialect_.model) : options_.model;
  facts.context_tokens = options_.context_tokens;
  auto request = options_.address.request("GET", "/v1/models");
  request.connect_time = kLookTime;
  const auto response = upstream::fetch(client_, std::move(request), kLookTime);
  if (!response) {
    facts.health.detail =
        error_of_failure(response.error(), 1, dialect_, options_.base_url).message;
  } else if (response->status == 503) { // llama-server and others while they load
    facts.health.detail = server_name(dialect_, options_.base_url) +
                          " is starting: " + error_text(response->body) + "; try again soon";
  } else if (response->status / 100 != 2 && response->status != 404) {
    facts.health.detail =
        error_of_status(response->status, response->body, dialect_, options_.base_url).message;
  } else {
    const Json list = list_member(Json::parse(response->body, nullptr, false), "data");
    for (const Json& entry : list) {
      if (!entry.is_object())
        continue;
      ModelInfo info;
      info.id = text_member(entry, "id");
      info.display_name = info.id;
      info.created_unix = number_member(entry, "created");
      info.context_tokens = static_cast<int>(number_member(entry, "max_model_len"));
      if (!info.id.empty() && !info.id.starts_with("text-embedding"))
        facts.models.push_back(std::move(info));
    }
    if (facts.model.empty() && !facts.models.empty())
      facts.model = facts.models.front().id;
    facts.health.ready = !facts.model.empty();
    if (!facts.health.ready)
      facts.health.detail =
          server_name(dialect_, options_.base_url) + " has no model; load one, or name one";
  }
  if (facts.health.ready)
    look_at_context(facts);
  if (facts.context_tokens == 0)
    facts.context_tokens = dialect_.default_context;
  if (!facts.model.empty()) {
    const auto own = std::ranges::find(facts.models, facts.model, &ModelInfo::id);
    if (own == facts.models.end())
      facts.models.insert(facts.models.begin(), {facts.model, facts.model, 0, 0});
    else
      std::rotate(facts.models.begin(), own, own + 1);
    facts.models.front().context_tokens = facts.context_tokens;
  }
  return facts;
}

void OpenAiServer::look_at_context(Facts& facts) const {
  std::int64_t told = 0;
  facts.images = dialect_.images;
  switch (dialect_.context) {
  case OpenAiDialect::Context::nowhere:
    break;
  case OpenAiDialect::Context::llama_props: {
    const auto props = get("/props");
    facts.images = props && props->contains("modalities") && (*props)["modalities"].is_object() &&
                   (*props)["modalities"].value("vision", false);
    if (props && props->contains("default_generation_settings"))
      told = number_member((*props)["default_generation_settings"], "n_ctx"); // of one slot
    break;
  }
  case OpenAiDialect::Context::model_list:
    for (const ModelInfo& model : facts.models)
      if (model.id == facts.model)
        told = model.context_tokens;
    break;
  case OpenAiDialect::Context::lmstudio_models: {
    // The one that is loaded goes before the first of those that could be.
    const auto models = get("/api/v0/models");
    const Json list = models ? list_member(*models, "data") : Json::array();
    for (const Json& entry : list) {
      const std::string type = text_member(entry, "type");
      if (text_member(entry, "state") != "loaded" || type == "embeddings" ||
          (!options_.model.empty() && text_member(entry, "id") != options_.model))
        continue;
      facts.model = text_member(entry, "id");
      facts.images = type == "vlm";
      told = number_member(entry, "loaded_context_length");
      break;
    }
    break;
  }
  case OpenAiDialect::Context::ollama_processes: {
    const auto running = get("/api/ps");
    const Json list = running ? list_member(*running, "models") : Json::array();
    for (const Json& entry : list)
      if (text_member(entry, "name") == facts.model || text_member(entry, "model") == facts.model)
        told = number_member(entry, "context_length");
    break;
  }
  }
  if (options_.context_tokens == 0 && told > 0)
    facts.context_tokens = static_cast<int>(told);
}

} // namespace anyclaude::backend
