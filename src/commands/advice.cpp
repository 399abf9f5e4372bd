#include "commands/advice.h"

#include <format>

namespace anyclaude::commands {

std::string advice_without_model(const launch::Paths& paths) {
  return std::format(R"(Any GGUF model for chat with tools will do, such as a
Qwen3 one from https://huggingface.co/models?library=gguf. Then either

  anyclaude --model /path/to/model.gguf

or, for good, this line in {}:

  model = "/path/to/model.gguf"

To try anyclaude without a model: a stand-in that answers with one fixed sentence, at real speed

  anyclaude model demo -o demo.gguf
  anyclaude --model demo.gguf)",
                     paths.config_file.native());
}

} // namespace anyclaude::commands
