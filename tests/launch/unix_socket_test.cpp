#include "demo/gguf_file.h"
#include "launch/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace anyclaude::launch {
namespace {

TEST(UnixSocket, ItsUserIsKnown) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  EXPECT_TRUE(is_same_user(ends[0]));
  for (const int end : ends)
    ::close(end);
}

/// Even where folder and socket are open to everybody.
TEST(UnixSocket, AnotherUserIsKnown) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "only root can be somebody else";
  constexpr uid_t kNobody = 65534;
  const demo::ScratchFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  const auto path = folder / "socket";
  const auto address = unix_address(path);
  ASSERT_TRUE(address);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(listener, as_sockaddr(*address), sizeof *address), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const pid_t other = ::fork();
  if (other == 0) {
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::setuid(kNobody) == 0 && ::connect(client, as_sockaddr(*address), sizeof *address) == 0)
      ::pause();
    ::_exit(1);
  }
  const int accepted = ::accept(listener, nullptr, nullptr);
  EXPECT_GE(accepted, 0) << "it could not connect";
  EXPECT_FALSE(is_same_user(accepted));
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  ::close(accepted);
  ::close(listener);
}

} // namespace
} // namespace anyclaude::launch
