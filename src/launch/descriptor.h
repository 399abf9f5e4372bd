#pragma once

#include <unistd.h>

#include <utility>

namespace anyclaude::launch {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  void reset() {
    if (fd_ >= 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }

 private:
  int fd_ = -1;
};

/// A pipe whose ends neither block nor survive an exec.
struct Pipe {
  Descriptor read;
  Descriptor write;
};

/// Both ends are empty when the process has no descriptors left (errno says why).
Pipe make_pipe();

/// O_NONBLOCK and FD_CLOEXEC.
void set_nonblocking_and_private(int fd);

} // namespace anyclaude::launch
