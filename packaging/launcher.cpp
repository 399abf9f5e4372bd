// bin/anyclaude of the archive for other systems. It starts the real program, with the C library
// and all others that the archive brings, whatever the system's own are. Linked statically, so that
// it runs anywhere.
//
// A program's own interpreter can only be named by an absolute path; an archive that works in any
// folder has to start the loader itself. It lies in lib/anyclaude/loader/ under the program's name,
// since ps and pgrep show that of the file that was executed.

#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  char self[PATH_MAX]; // NOLINT(modernize-avoid-c-arrays): what readlink wants
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) {
    std::perror("anyclaude: cannot find its own folder: /proc/self/exe");
    return 1;
  }
  // FOLDER/bin/anyclaude, whatever symbolic link it was started by
  std::string folder(self, static_cast<std::size_t>(length));
  for (int i = 0; i < 2; ++i)
    folder.resize(folder.rfind('/'));
  folder += "/lib/anyclaude";
  const std::string loader = folder + "/loader/anyclaude";
  const std::string program = folder + "/anyclaude";
  std::vector<const char*> arguments = {"anyclaude",    "--inhibit-cache", "--library-path",
                                        folder.c_str(), "--argv0",         "anyclaude",
                                        program.c_str()};
  arguments.insert(arguments.end(), argv + (argc > 0 ? 1 : 0), argv + argc);
  arguments.push_back(nullptr);
  ::execv(loader.c_str(), const_cast<char* const*>(arguments.data()));
  std::fprintf(stderr, "anyclaude: cannot start %s: %s\n", loader.c_str(), std::strerror(errno));
  return 1;
}
