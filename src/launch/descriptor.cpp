#include "launch/descriptor.h"

#include <fcntl.h>

namespace anyclaude::launch {

void set_nonblocking_and_private(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::fcntl(fd, F_SETFD, ::fcntl(fd, F_GETFD) | FD_CLOEXEC);
}

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0)
    return {};
  set_nonblocking_and_private(ends[0]);
  set_nonblocking_and_private(ends[1]);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

} // namespace anyclaude::launch
