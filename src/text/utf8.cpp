#include "text/utf8.h"

namespace anyclaude::text {

void Utf8Splitter::begin_character(unsigned char byte, std::string& out) {
  lowest_ = 0x80;
  highest_ = 0xBF;
  if (byte < 0x80) {
    out.push_back(static_cast<char>(byte));
    return;
  }
  if (byte >= 0xC2 && byte <= 0xDF) {
    missing_ = 1;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    missing_ = 2;
    if (byte == 0xE0) {
      lowest_ = 0xA0; // below: an overlong form
    } else if (byte == 0xED) {
      highest_ = 0x9F; // above: a surrogate
    }
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    missing_ = 3;
    if (byte == 0xF0) {
      lowest_ = 0x90; // below: an overlong form
    } else if (byte == 0xF4) {
      highest_ = 0x8F; // above: beyond U+10FFFF
    }
  } else {
    out += kReplacement;
    return;
  }
  pending_[0] = static_cast<char>(byte);
  pending_size_ = 1;
}

std::string Utf8Splitter::push(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + pending_size_);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (pending_size_ == 0) {
      begin_character(byte, out);
      continue;
    }
    if (byte < lowest_ || byte > highest_) {
      // What was kept is a maximal subpart; this byte begins something new.
      out += kReplacement;
      pending_size_ = 0;
      begin_character(byte, out);
      continue;
    }
    lowest_ = 0x80;
    highest_ = 0xBF;
    if (--missing_ > 0) {
      pending_[pending_size_++] = c;
      continue;
    }
    out.append(pending_.data(), pending_size_);
    out.push_back(c);
    pending_size_ = 0;
  }
  return out;
}

std::string Utf8Splitter::finish() {
  if (pending_size_ == 0) {
    return {};
  }
  pending_size_ = 0;
  return std::string(kReplacement);
}

std::string to_valid_utf8(std::string_view bytes) {
  Utf8Splitter splitter;
  std::string out = splitter.push(bytes);
  out += splitter.finish();
  return out;
}

} // namespace anyclaude::text
