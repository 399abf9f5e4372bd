#include "checkout.h"

namespace anyclaude {

std::filesystem::path checkout() {
  return ANYCLAUDE_SOURCE_DIR;
}

} // namespace anyclaude
