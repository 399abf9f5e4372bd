#include "text/kept_key.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

namespace anyclaude::text {

namespace {

std::unexpected<std::string> fault(const std::filesystem::path& file, const char* what) {
  return std::unexpected("cannot " + std::string(what) + " " + file.string() + ": " +
                         std::strerror(errno));
}

/// Nothing where there is no such file.
std::optional<std::expected<Key, std::string>> read_key(const std::filesystem::path& file) {
  const int in = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (in < 0 && errno == ENOENT)
    return std::nullopt;
  if (in < 0)
    return fault(file, "read");
  Key key{};
  const auto size = read(in, key.data(), key.size());
  std::expected<Key, std::string> found = key;
  if (size < 0)
    found = fault(file, "read");
  else if (size != static_cast<ssize_t>(key.size()))
    found = std::unexpected(file.string() + " is not a key; remove it");
  close(in);
  return found;
}

/// False, with errno, where it cannot be made or is there by now. Written under another name first:
/// whoever finds the name finds a whole key.
bool make_key(const std::filesystem::path& file, const Key& key) {
  const auto made = file.string() + "." + std::to_string(getpid());
  const int out = open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out < 0)
    return false;
  const bool named = write(out, key.data(), key.size()) == static_cast<ssize_t>(key.size()) &&
                     link(made.c_str(), file.c_str()) == 0;
  const int error = errno;
  close(out);
  unlink(made.c_str());
  errno = error;
  return named;
}

} // namespace

Key random_key() {
  Key key{};
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size()))
    throw std::runtime_error("the operating system gives no random numbers");
  return key;
}

/// Read before it is made: on a disk that is full or read-only one that is there will do.
std::expected<Key, std::string> kept_key(const std::filesystem::path& file) {
  if (auto found = read_key(file))
    return std::move(*found);
  const Key key = random_key();
  if (make_key(file, key))
    return key;
  if (errno == EEXIST) // another process was faster
    if (auto found = read_key(file))
      return std::move(*found);
  return fault(file, "write");
}

} // namespace anyclaude::text
