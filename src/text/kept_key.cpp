#include "text/kept_key.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace anyclaude::text {

namespace {

std::unexpected<std::string> fault(const std::filesystem::path& file, const char* what) {
  return std::unexpected("cannot " + std::string(what) + " " + file.string() + ": " +
                         std::strerror(errno));
}

} // namespace

Key random_key() {
  Key key{};
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size()))
    throw std::runtime_error("the operating system gives no random numbers");
  return key;
}

std::expected<Key, std::string> kept_key(const std::filesystem::path& file) {
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
    return key;
  if (!known)
    return fault(file, "write");
  const int in = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (in < 0)
    return fault(file, "read");
  const auto size = read(in, key.data(), key.size());
  close(in);
  if (size != static_cast<ssize_t>(key.size()))
    return std::unexpected(file.string() + " is not a key; remove it");
  return key;
}

} // namespace anyclaude::text
