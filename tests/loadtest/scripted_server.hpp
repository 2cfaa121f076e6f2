#pragma once

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

/// A server for tests of the load harness: plain threads and blocking sockets, so that it shares nothing with what it
/// tests. The path says what to do:
///
///     /ok  /status/N  /slow/MS  /chunked  /eof  /last (Connection: close)  /early (an interim answer before)
///     /trickle (a byte every 20 ms)  /forget (closes after an answer that promised to stay)  /never  /hangup (closes without a word)  /half (closes in the middle)  /reset  /garbage  /echo (the body back)
class scripted_server {
 public:
  explicit scripted_server(int backlog = 4'096) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(listener_, backlog) == 0);
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  scripted_server(const scripted_server&) = delete;
  scripted_server& operator=(const scripted_server&) = delete;

  ~scripted_server() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard guard(lock_);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    for (auto& one : connections_) one.join();
    for (const int socket : sockets_) ::close(socket);
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  std::uint64_t requests() {
    const std::lock_guard guard(lock_);
    std::uint64_t sum = 0;
    for (const auto& [path, count] : counts_) sum += count;
    return sum;
  }
  std::uint64_t requests(const std::string& path) {
    const std::lock_guard guard(lock_);
    return counts_[path];
  }
  std::uint64_t connections() {
    const std::lock_guard guard(lock_);
    return sockets_.size();
  }
  std::size_t most_open() {
    const std::lock_guard guard(lock_);
    return most_open_;
  }
  std::size_t most_at_work() {
    const std::lock_guard guard(lock_);
    return most_at_work_;
  }
  std::string last_request() {
    const std::lock_guard guard(lock_);
    return last_request_;
  }

 private:
  void accept_all() {
    for (;;) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      const std::lock_guard guard(lock_);
      sockets_.push_back(socket);
      most_open_ = std::max(most_open_, ++open_);
      connections_.emplace_back([this, socket] { serve(socket); });
    }
  }

  void serve(int socket) {
    std::string pending;
    while (read_request(socket, pending) && answer(socket)) {}
    ::shutdown(socket, SHUT_RDWR);  // closed for good when the server ends, so that no number is used twice
    const std::lock_guard guard(lock_);
    --open_;
  }

  // Moves the next request from the connection to request_of_; false at the end.
  static thread_local inline std::string request_of_;
  bool read_request(int socket, std::string& pending) {
    for (;;) {
      if (const auto end = pending.find("\r\n\r\n"); end != std::string::npos) {
        const auto length_at = pending.find("Content-Length: ");
        const std::size_t length = length_at < end ? std::strtoul(pending.c_str() + length_at + 16, nullptr, 10) : 0;
        if (pending.size() >= end + 4 + length) {
          request_of_ = pending.substr(0, end + 4 + length);
          pending.erase(0, end + 4 + length);
          return true;
        }
      }
      char bytes[4'096];
      const auto got = ::recv(socket, bytes, sizeof(bytes), 0);
      if (got <= 0) return false;
      pending.append(bytes, static_cast<std::size_t>(got));
    }
  }

  static bool send_all(int socket, std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  bool answer(int socket) {
    const auto start = request_of_.find(' ') + 1;
    const auto path = request_of_.substr(start, request_of_.find(' ', start) - start);
    {
      const std::lock_guard guard(lock_);
      ++counts_[path];
      last_request_ = request_of_;
      most_at_work_ = std::max(most_at_work_, ++at_work_);
    }
    const bool goes_on = act(socket, path);
    const std::lock_guard guard(lock_);
    --at_work_;
    return goes_on;
  }

  bool act(int socket, const std::string& path) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    if (path.starts_with("/status/"))
      return send_all(socket, "HTTP/1.1 " + path.substr(8) + " X\r\nContent-Length: 0\r\n\r\n");
    if (path.starts_with("/slow/")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(std::stoi(path.substr(6))));
      return send_all(socket, ok);
    }
    if (path == "/chunked") {
      return send_all(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") &&
             send_all(socket, "2\r\nde\r\n0\r\n\r\n");
    }
    if (path == "/eof") return send_all(socket, "HTTP/1.1 200 OK\r\n\r\nuntil the end") && false;
    if (path == "/last")
      return send_all(socket, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") && false;
    if (path == "/early") return send_all(socket, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok);
    if (path == "/trickle") {
      for (const char c :
           "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz") {
        if (!send_all(socket, {&c, 1})) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      return false;
    }
    if (path == "/forget") return send_all(socket, ok) && false;
    if (path == "/hangup") return false;
    if (path == "/half") return send_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") && false;
    if (path == "/garbage") return send_all(socket, "lorem ipsum dolor sit amet\r\n\r\n");
    if (path == "/never") {
      char byte;
      return ::recv(socket, &byte, 1, 0) > 0;  // until the other side gives up
    }
    if (path == "/reset") {
      const linger at_once{1, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      // Closing sends the reset; the number stays taken by a copy, so that the list of sockets stays right.
      const int other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      ::dup2(other, socket);
      ::close(other);
      return false;
    }
    if (path == "/echo") {
      const auto body = request_of_.substr(request_of_.find("\r\n\r\n") + 4);
      return send_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    return send_all(socket, ok);
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::mutex lock_;
  std::vector<int> sockets_;
  std::vector<std::thread> connections_;
  std::map<std::string, std::uint64_t> counts_;
  std::string last_request_;
  std::size_t open_ = 0;
  std::size_t most_open_ = 0;
  std::size_t at_work_ = 0;
  std::size_t most_at_work_ = 0;
};
