#pragma once

#include "launch/control_server.h"
#include "launch/daemon.h"

#include <unistd.h>

#include <fstream>
#include <future>
#include <iostream>

namespace anyclaude::launch {

/// A daemon without a model: it is ready at once and ends with its last launcher. Adds its process
/// id to `starts` in the state folder.
inline int run_test_daemon(DaemonStart start, const Paths& paths, const std::string& model) {
  std::ofstream(paths.state / "starts", std::ios::app) << ::getpid() << "\n";
  DaemonStatus status;
  status.version = "1.0";
  status.pid = ::getpid();
  status.state = DaemonState::ready;
  status.model_path = model;
  status.port = start.port ? start.port : 4321;
  status.token = start.token.empty() ? "first-token" : start.token;
  std::promise<void> alone;
  auto server = ControlServer::start(
      std::move(start.listener),
      {[&] { return status; }, [](const std::string&) { return SessionNumbers{}; },
       [&] { alone.set_value(); }},
      {std::chrono::milliseconds(300), std::chrono::milliseconds(10'000)});
  if (!server) {
    std::cerr << server.error() << "\n";
    return 1;
  }
  alone.get_future().wait();
  return 0;
}

inline DaemonOrder test_order(const Paths& paths, const std::string& model = "/models/a.gguf") {
  DaemonOrder order;
  order.version = "1.0";
  order.session = "s";
  order.model_path = model;
  order.main = [paths, model](DaemonStart start) {
    return run_test_daemon(std::move(start), paths, model);
  };
  return order;
}

} // namespace anyclaude::launch
