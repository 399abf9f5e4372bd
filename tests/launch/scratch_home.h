#pragma once

#include "launch/daemon.h"
#include "launch/paths.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace anyclaude::launch {

/// A temporary ANYCLAUDE_HOME; a daemon left running in it is stopped with it.
class ScratchHome {
 public:
  ScratchHome() {
    std::string name = (std::filesystem::temp_directory_path() / "anyclaude-test-XXXXXX").native();
    folder_ = ::mkdtemp(name.data());
    auto paths = prepare_paths([this](const char* variable) -> std::optional<std::string> {
      return std::string(variable) == "ANYCLAUDE_HOME" ? std::optional(folder_.native())
                                                       : std::nullopt;
    });
    EXPECT_TRUE(paths) << paths.error();
    paths_ = *paths;
  }
  ScratchHome(const ScratchHome&) = delete;
  ScratchHome& operator=(const ScratchHome&) = delete;
  ~ScratchHome() {
    const auto stopped = stop_daemon(paths_, std::chrono::seconds(20));
    EXPECT_TRUE(stopped) << stopped.error();
    std::filesystem::remove_all(folder_);
  }

  const Paths& paths() const { return paths_; }
  std::filesystem::path file(const std::string& name) const { return folder_ / name; }

  std::string read(const std::string& name) const { return read_file(file(name)); }

  static std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// A program for the shell, as a stand-in for `claude`.
  std::filesystem::path script(const std::string& body) const {
    const auto path = file("claude");
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

 private:
  std::filesystem::path folder_;
  Paths paths_;
};

} // namespace anyclaude::launch
