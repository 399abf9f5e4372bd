#include "anthropic/json.h"
#include "dashboard/view.h"
#include "telemetry/records_json.h"

#include <nlohmann/json.hpp>

namespace anyclaude::dashboard {
namespace {

using telemetry::milliseconds;

Json live_json(const telemetry::LiveRequest& request) {
  return {{"id", request.id},
          {"session", request.session},
          {"model", request.model},
          {"background", request.background},
          {"phase", telemetry::to_string(request.phase)},
          {"prompt_tokens", request.prompt_tokens},
          {"done_tokens", request.done_tokens},
          {"reused_tokens", request.reused_tokens},
          {"pieces", request.pieces},
          {"waited_ms", milliseconds(request.waited_ms)},
          {"phase_ms", milliseconds(request.phase_ms)},
          {"ttft_ms", milliseconds(request.ttft_ms)},
          {"left_ms", milliseconds(request.left_ms)}};
}

Json engine_json(const backend::EngineNumbers& engine) {
  return {{"running", engine.running},
          {"queued", engine.queued},
          {"generated_tokens", engine.generated_tokens},
          {"computed_tokens", engine.computed_tokens},
          {"cells", engine.cells},
          {"cells_used", engine.cells_used},
          {"cells_idle", engine.cells_idle},
          {"stored_bytes", engine.stored_bytes},
          {"checkpoint_bytes", engine.checkpoint_bytes},
          {"restored_tokens", engine.stored_tokens_restored}};
}

Json stretch_json(const kv::PrefixOutline::Stretch& stretch) {
  Json parts = Json::array();
  for (const kv::PrefixOutline::Part& part : stretch.parts)
    parts.push_back({{"tokens", part.tokens}, {"tier", kv::to_string(part.tier)}});
  return {{"parent", stretch.parent},
          {"begin", stretch.begin},
          {"tokens", stretch.tokens},
          {"disk_tokens", stretch.disk_tokens},
          {"parts", std::move(parts)},
          {"prefixes", stretch.prefixes},
          {"left_out", stretch.left_out},
          {"requests", stretch.requests},
          {"conversations", stretch.conversations},
          {"is_stable", stretch.is_stable},
          {"last_used", stretch.last_used}};
}

Json prefixes_json(const kv::PrefixOutline& prefixes) {
  Json stretches = Json::array();
  for (const kv::PrefixOutline::Stretch& stretch : prefixes.stretches)
    stretches.push_back(stretch_json(stretch));
  return {{"conversations", prefixes.conversations},
          {"stretches", std::move(stretches)},
          {"left_out", prefixes.left_out}};
}

Json server_json(const backend::ServerStatus& server) {
  Json models = Json::array();
  for (const backend::ModelInfo& model : server.models)
    models.push_back(model.id);
  return {{"backend", server.backend},      {"id", server.id}, {"ready", server.health.ready},
          {"detail", server.health.detail}, {"up", server.up}, {"running", server.running},
          {"models", std::move(models)}};
}

} // namespace

std::string state_json(const View& view) {
  Json out = {{"version", view.version},
              {"ready", view.health.ready},
              {"detail", view.health.detail},
              {"now", view.now},
              {"models", Json::array()},
              {"today", to_json(view.today)},
              {"kept", to_json(view.kept)},
              {"engine", view.engine ? engine_json(*view.engine) : Json(nullptr)},
              {"prefixes", view.prefixes ? prefixes_json(*view.prefixes) : Json(nullptr)},
              {"servers", Json::array()},
              {"live", Json::array()}};
  for (const backend::ServerStatus& server : view.servers)
    out["servers"].push_back(server_json(server));
  for (const backend::ModelInfo& model : view.models)
    out["models"].push_back({{"id", model.id}, {"context_tokens", model.context_tokens}});
  for (const telemetry::LiveRequest& request : view.live)
    out["live"].push_back(live_json(request));
  out["records"] = telemetry::records_json(view.records);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace anyclaude::dashboard
