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
              {"live", Json::array()}};
  for (const backend::ModelInfo& model : view.models)
    out["models"].push_back({{"id", model.id}, {"context_tokens", model.context_tokens}});
  for (const telemetry::LiveRequest& request : view.live)
    out["live"].push_back(live_json(request));
  out["records"] = telemetry::records_json(view.records);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace anyclaude::dashboard
