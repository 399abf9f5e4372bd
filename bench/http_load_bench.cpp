// The two ends of a gateway's benchmark, made so that neither is what is measured: plain sockets, a
// thread for each connection, answers that were made before the first request came.
//
//   http_load_bench serve
//       prints its port and answers: POST /v1/chat/completions as OpenAI's API does and POST
//       /v1/messages as Anthropic's, as a stream where the body says "stream":true; GET /v1/models;
//       anything else {}. With the header x-pace: MS it pauses so long before each event of a
//       stream.
//   http_load_bench load PORT TARGET BODY_FILE CLIENTS SECONDS [HEADER...]
//       asks again and again for SECONDS with that many connections; with 0, once on each of them,
//       all at the same time. Prints one JSON object: requests, failed, seconds, and the
//       milliseconds to the first and to the last byte of an answer (p50, p99).

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <format>
#include <fstream>
#include <iterator>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// The value of a header in a head, its name in lower case; empty when absent.
std::string header(std::string_view head, std::string_view name) {
  std::size_t line = head.find("\r\n");
  while (line != std::string_view::npos && line + 2 < head.size()) {
    line += 2;
    const auto end = head.find("\r\n", line);
    const std::string_view text = head.substr(line, end - line);
    if (text.size() > name.size() && text[name.size()] == ':' &&
        std::equal(name.begin(), name.end(), text.begin(), [](char a, char b) {
          return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
        })) {
      const auto value = text.find_first_not_of(' ', name.size() + 1);
      return value == std::string_view::npos ? "" : std::string(text.substr(value));
    }
    line = end;
  }
  return {};
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Bytes that come in on a socket, taken as messages of HTTP.
class Incoming {
 public:
  explicit Incoming(int socket) : socket_(socket) {}

  bool fill() {
    char bytes[65536];
    const auto size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size <= 0)
      return false;
    pending_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  /// With the empty line.
  std::optional<std::string> head() {
    std::size_t from = 0;
    while (true) {
      const auto end = pending_.find("\r\n\r\n", from);
      if (end != std::string::npos) {
        std::string head = pending_.substr(0, end + 4);
        pending_.erase(0, end + 4);
        return head;
      }
      from = pending_.size() < 3 ? 0 : pending_.size() - 3;
      if (!fill())
        return std::nullopt;
    }
  }

  bool body(std::size_t size, std::string& out) {
    while (pending_.size() < size)
      if (!fill())
        return false;
    out.assign(pending_, 0, size);
    pending_.erase(0, size);
    return true;
  }

  /// Up to the last chunk; its text is thrown away.
  bool chunks() {
    while (true) {
      auto line = pending_.find("\r\n");
      while (line == std::string::npos) {
        if (!fill())
          return false;
        line = pending_.find("\r\n");
      }
      std::size_t size = 0;
      std::from_chars(pending_.data(), pending_.data() + line, size, 16);
      const std::size_t whole = line + 2 + size + 2;
      while (pending_.size() < whole)
        if (!fill())
          return false;
      pending_.erase(0, whole);
      if (size == 0)
        return true;
    }
  }

 private:
  int socket_;
  std::string pending_;
};

std::string chunk(std::string_view data) {
  return std::format("{:x}\r\n{}\r\n", data.size(), data);
}

std::string whole(std::string_view body) {
  return std::format(
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
      body.size(), body);
}

/// Answers of some twenty tokens.
struct Answers {
  static constexpr int kWords = 20;
  std::string stream_head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                            "transfer-encoding: chunked\r\n\r\n";
  std::vector<std::string> openai;
  std::vector<std::string> anthropic;
  std::string openai_whole;
  std::string anthropic_whole;

  Answers() {
    const auto add_openai = [this](std::string_view choices, std::string_view more = "") {
      openai.push_back(
          chunk(std::format("data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
                            "\"created\":1,\"model\":\"m\",\"choices\":[{}]{}}}\n\n",
                            choices, more)));
    };
    const auto add_anthropic = [this](std::string_view name, std::string_view rest) {
      anthropic.push_back(
          chunk(std::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", name, rest)));
    };
    add_openai(R"({"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null})");
    add_anthropic(
        "message_start",
        R"(,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m",)"
        R"("content":[],"stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}})");
    add_anthropic("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
    for (int i = 0; i < kWords; ++i) {
      add_openai(R"({"index":0,"delta":{"content":" word"},"finish_reason":null})");
      add_anthropic("content_block_delta",
                    R"(,"index":0,"delta":{"type":"text_delta","text":" word"})");
    }
    add_openai(R"({"index":0,"delta":{},"finish_reason":"stop"})");
    add_openai("", R"(,"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":29})");
    openai.push_back(chunk("data: [DONE]\n\n"));
    add_anthropic("content_block_stop", R"(,"index":0)");
    add_anthropic("message_delta",
                  R"(,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20})");
    add_anthropic("message_stop", "");
    openai_whole = whole(
        R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,)"
        R"("message":{"role":"assistant","content":"word"},"finish_reason":"stop"}],"usage":)"
        R"({"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}})");
    anthropic_whole = whole(
        R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text",)"
        R"("text":"word"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":1}})");
  }
};

void answer_stream(int socket, const std::string& head, const std::vector<std::string>& events,
                   std::chrono::milliseconds pace) {
  if (pace.count() == 0) {
    std::string all = head;
    for (const std::string& event : events)
      all += event;
    return send_all(socket, all + "0\r\n\r\n");
  }
  send_all(socket, head);
  auto next = Clock::now();
  for (const std::string& event : events) {
    std::this_thread::sleep_until(next += pace);
    send_all(socket, event);
  }
  send_all(socket, "0\r\n\r\n");
}

void serve_connection(int socket, const Answers& answers) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Incoming incoming(socket);
  std::string body;
  while (const auto head = incoming.head()) {
    const bool is_chunked = header(*head, "transfer-encoding") == "chunked";
    body.clear();
    if (is_chunked ? !incoming.chunks()
                   : !incoming.body(number(header(*head, "content-length")), body))
      break;
    const bool streams = is_chunked || body.find("\"stream\":true") != std::string::npos ||
                         body.find("\"stream\": true") != std::string::npos;
    const std::chrono::milliseconds pace(number(header(*head, "x-pace")));
    if (head->find("/chat/completions ") != std::string::npos) {
      if (streams)
        answer_stream(socket, answers.stream_head, answers.openai, pace);
      else
        send_all(socket, answers.openai_whole);
    } else if (head->starts_with("POST /v1/messages")) {
      if (streams)
        answer_stream(socket, answers.stream_head, answers.anthropic, pace);
      else
        send_all(socket, answers.anthropic_whole);
    } else if (head->starts_with("GET /v1/models")) {
      send_all(socket, whole(R"({"object":"list","data":[{"id":"m","object":"model",)"
                             R"("owned_by":"me","max_model_len":200000}]})"));
    } else {
      send_all(socket, whole("{}"));
    }
  }
  ::close(socket);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int serve() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 2048) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("http_load_bench");
    return 1;
  }
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const Answers answers;
  while (true) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0)
      std::thread(serve_connection, socket, std::cref(answers)).detach();
  }
}

struct Result {
  std::mutex mutex;
  std::vector<double> first_ms;
  std::vector<double> last_ms;
  std::atomic<int> failed = 0;
};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// One request on an open connection; false where no whole answer came.
bool ask(int socket, Incoming& incoming, const std::string& request, double& first, double& last) {
  const auto begin = Clock::now();
  send_all(socket, request);
  const auto head = incoming.head();
  if (!head || !head->starts_with("HTTP/1.1 200"))
    return false;
  first = ms_since(begin);
  std::string body;
  if (!(header(*head, "transfer-encoding") == "chunked"
            ? incoming.chunks()
            : incoming.body(number(header(*head, "content-length")), body)))
    return false;
  last = ms_since(begin);
  return true;
}

void client(std::uint16_t port, const std::string& request, std::chrono::seconds time,
            std::latch& ready, Result& result) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool connected =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ready.arrive_and_wait();
  const auto until = Clock::now() + time;
  Incoming incoming(socket);
  std::vector<double> firsts;
  std::vector<double> lasts;
  bool good = connected;
  do {
    double first = 0;
    double last = 0;
    good = good && ask(socket, incoming, request, first, last);
    if (!good) {
      ++result.failed;
      break;
    }
    firsts.push_back(first);
    lasts.push_back(last);
  } while (Clock::now() < until);
  ::close(socket);
  const std::scoped_lock lock(result.mutex);
  result.first_ms.append_range(firsts);
  result.last_ms.append_range(lasts);
}

double quantile(std::vector<double>& values, double part) {
  if (values.empty())
    return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(part * static_cast<double>(values.size())))];
}

int load(const std::vector<std::string>& arguments) {
  const auto port = static_cast<std::uint16_t>(number(arguments[0]));
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string body(std::istreambuf_iterator<char>(file), {});
  const auto clients = number(arguments[3]);
  const std::chrono::seconds time(number(arguments[4]));
  std::string request =
      std::format("POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n"
                  "Content-Length: {}\r\n",
                  arguments[1], port, body.size());
  for (std::size_t i = 5; i < arguments.size(); ++i)
    request += arguments[i] + "\r\n";
  request += "\r\n" + body;
  Result result;
  std::latch ready(static_cast<std::ptrdiff_t>(clients) + 1);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < clients; ++i)
    threads.emplace_back([&] { client(port, request, time, ready, result); });
  ready.arrive_and_wait();
  const auto begin = Clock::now();
  threads.clear();
  const double seconds = ms_since(begin) / 1000;
  std::puts(std::format(R"({{"requests":{},"failed":{},"seconds":{:.4f},"first_ms":{{"p50":{:.4f},)"
                        R"("p99":{:.4f}}},"last_ms":{{"p50":{:.4f},"p99":{:.4f}}}}})",
                        result.last_ms.size(), result.failed.load(), seconds,
                        quantile(result.first_ms, 0.5), quantile(result.first_ms, 0.99),
                        quantile(result.last_ms, 0.5), quantile(result.last_ms, 0.99))
                .c_str());
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments == std::vector<std::string>{"serve"})
    return serve();
  if (arguments.size() >= 6 && arguments.front() == "load")
    return load({arguments.begin() + 1, arguments.end()});
  std::fputs("http_load_bench serve\n"
             "http_load_bench load PORT TARGET BODY_FILE CLIENTS SECONDS [HEADER...]\n",
             stderr);
  return 2;
}
