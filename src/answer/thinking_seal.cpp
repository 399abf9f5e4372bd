#include "answer/thinking_seal.h"

#include <blake3.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kPrefix = "anyclaude2.";
constexpr std::size_t kBytes = 16;

ThinkingSeal::Key random_key() {
  ThinkingSeal::Key key{};
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size()))
    throw std::runtime_error("the operating system gives no random numbers");
  return key;
}

std::unexpected<std::string> fault(const std::filesystem::path& file, const char* what) {
  return std::unexpected("cannot " + std::string(what) + " " + file.string() + ": " +
                         std::strerror(errno));
}

/// Keyed BLAKE3, in hexadecimal digits.
std::string mac(const ThinkingSeal::Key& key, std::string_view text, std::size_t bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  blake3_hasher hasher;
  blake3_hasher_init_keyed(&hasher, key.data());
  blake3_hasher_update(&hasher, text.data(), text.size());
  std::array<std::uint8_t, kBytes> digest{};
  blake3_hasher_finalize(&hasher, digest.data(), bytes);
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

/// Compares without telling by its time where the difference is.
bool same(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

} // namespace

ThinkingSeal::ThinkingSeal() : ThinkingSeal(random_key()) {}

std::expected<ThinkingSeal, std::string> ThinkingSeal::kept_in(const std::filesystem::path& file) {
  // Written under another name first: whoever finds the name finds a whole key.
  Key key = random_key();
  const auto made = file.string() + "." + std::to_string(getpid());
  const int out = open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out < 0)
    return fault(file, "write");
  const bool written = write(out, key.data(), key.size()) == static_cast<ssize_t>(key.size());
  close(out);
  const bool ours = written && link(made.c_str(), file.c_str()) == 0;
  const bool known = !ours && errno == EEXIST;
  unlink(made.c_str());
  if (ours)
    return ThinkingSeal(key);
  if (!known)
    return fault(file, "write");
  const int in = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (in < 0)
    return fault(file, "read");
  const auto size = read(in, key.data(), key.size());
  close(in);
  if (size != static_cast<ssize_t>(key.size()))
    return std::unexpected(file.string() + " is not a key; remove it");
  return ThinkingSeal(key);
}

ThinkingSeal::ThinkingSeal(const Key& key)
    : key_(key), prefix_(std::string(kPrefix) + mac(key, "which key", 4) + ".") {}

std::string ThinkingSeal::sign(std::string_view thinking) const {
  return prefix_ + mac(key_, thinking, kBytes);
}

ThinkingSeal::Origin ThinkingSeal::origin(std::string_view thinking,
                                          std::string_view signature) const {
  if (!signature.starts_with(prefix_))
    return Origin::foreign;
  return same(signature, sign(thinking)) ? Origin::ours : Origin::edited;
}

} // namespace anyclaude::answer
