#include "dashboard/html.h"

#include "text/utf8.h"

namespace anyclaude::dashboard {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text::to_valid_utf8(text)) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    case '\n':
      out += "\u21B5"; // which fonts have
      break;
    case '\x7F':
      out += "\u2421";
      break;
    default:
      if (static_cast<unsigned char>(c) >= 0x20) {
        out += c;
      } else { // U+2400 and on: E2 90 80 …
        out += "\xE2\x90";
        out += static_cast<char>(0x80 + c);
      }
    }
  }
  return out;
}

} // namespace anyclaude::dashboard
