#pragma once

#include "bench/client.h"
#include "launch/paths.h"

#include <filesystem>
#include <functional>
#include <memory>

namespace anyclaude::bench {

/// What a Claude Code program says of its version: "2.1.330". The error says why it does not.
std::expected<std::string, std::string> claude_version(const std::filesystem::path& program,
                                                       const std::filesystem::path& home,
                                                       std::function<void()> while_running);

/// The real Claude Code, headless, with a home and a project folder of its own.
class ClaudeClient : public Client {
 public:
  /// `home` and `project` exist and are empty; `paths` says where its settings file goes. The
  /// error says why the program cannot be used.
  static std::expected<std::unique_ptr<ClaudeClient>, std::string>
  create(std::filesystem::path program, std::filesystem::path home, std::filesystem::path project,
         launch::Paths paths, std::function<void()> while_running);

  std::string name() const override { return "claude-code " + version_; }
  std::expected<double, std::string> ask(const launch::ClaudeConnection& connection,
                                         const Question& question) override;

 private:
  ClaudeClient() = default;

  std::filesystem::path program_;
  std::filesystem::path home_;
  std::filesystem::path project_;
  launch::Paths paths_;
  std::function<void()> while_running_;
  std::string version_;
};

} // namespace anyclaude::bench
