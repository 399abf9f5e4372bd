// Any bytes as a model's file, a projector's and an image's: what they say of themselves is within
// bounds, and what is wrong with them is said of the file.
#include "engine/gguf_info.h"
#include "engine/image_header.h"
#include "engine/library_log.h"
#include "engine/projector_info.h"
#include "fuzz/fuzzing.h"

#include <ggml.h>

namespace {

using namespace anyclaude;
using fuzz::require;

void be_silent(ggml_log_level /*level*/, const char* /*text*/, void* /*context*/) {}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Scratch kScratch;
  static const auto kFile = kScratch.emptied() / "model.gguf";
  static const bool kSilent = (ggml_log_set(be_silent, nullptr), true);
  fuzz::write_file(kFile, fuzz::Input(data, size).rest());

  const auto info = engine::read_gguf_info(kFile);
  if (info) {
    require(kSilent && !info->architecture.empty() && info->file_bytes == size);
    require(info->layers >= 1 && info->layers <= 4096 && info->attention_layers <= info->layers);
    require(info->split_count >= 1 && info->vocabulary <= size && info->parameters <= 32 * size);
    require(info->chat_template.size() <= size);
    require((info->memory == engine::MemoryKind::recurrent) == (info->attention_layers == 0));
  } else {
    require(info.error().starts_with(kFile.native() + ": "));
  }
  const auto projector = engine::read_projector_info(kFile);
  if (projector)
    require(!projector->type.empty() && projector->file_bytes == size);
  else
    require(projector.error().starts_with(kFile.native() + ": "));
  const auto image = engine::read_image_header(std::as_bytes(std::span(data, size)));
  if (image)
    require(image->width > 0 && image->height > 0 && image->type.starts_with("image/"));
  return 0;
}
