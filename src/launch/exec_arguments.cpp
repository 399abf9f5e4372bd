#include "launch/exec_arguments.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <format>

// POSIX declares it in no header; glibc does. NOLINTNEXTLINE(readability-redundant-declaration)
extern char** environ;

namespace anyclaude::launch {

namespace {

bool is_replaced(const char* entry, const ClaudeCommand& command) {
  for (const auto& [name, value] : command.variables)
    if (std::strncmp(entry, name.c_str(), name.size()) == 0 && entry[name.size()] == '=')
      return true;
  return false;
}

} // namespace

ExecArguments::ExecArguments(const ClaudeCommand& command) {
  text_.push_back(command.program.native());
  text_.insert(text_.end(), command.arguments.begin(), command.arguments.end());
  for (const std::string& argument : text_)
    arguments_.push_back(const_cast<char*>(argument.c_str()));
  arguments_.push_back(nullptr);
  for (char** entry = environ; *entry; ++entry)
    if (!is_replaced(*entry, command))
      environment_.push_back(*entry);
  for (const auto& [name, value] : command.variables)
    if (!value.empty())
      set_.push_back(std::format("{}={}", name, value));
  for (const std::string& entry : set_)
    environment_.push_back(const_cast<char*>(entry.c_str()));
  environment_.push_back(nullptr);
}

int ExecArguments::exec() const {
  return ::execve(arguments_[0], arguments_.data(), environment_.data());
}

std::string exec_failure(const std::filesystem::path& program, int error) {
  std::error_code failed;
  if (error == ENOENT && std::filesystem::exists(program, failed))
    return std::format("cannot run {}: the interpreter that its first line names is not there; "
                       "where it was installed elsewhere and moved, install it anew",
                       program.native());
  return std::format("cannot run {}: {}", program.native(), std::strerror(error));
}

} // namespace anyclaude::launch
