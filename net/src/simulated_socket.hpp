#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <sys/types.h>

#include <martlet/base/clock.hpp>
#include <martlet/net/endpoint.hpp>

#include "wires.hpp"

namespace martlet::detail {

/// One end of a connection of a simulated network, or a door that is listened on.
///
/// Bytes lie here from when they have arrived until they are read. What goes to the other end goes over the wires.
///
/// Threads   the simulation's.
class simulated_socket : public std::enable_shared_from_this<simulated_socket> {
 public:
  using pointer = std::shared_ptr<simulated_socket>;

  enum class phase : std::uint8_t { fresh, listening, connecting, connected, broken, closed };

  simulated_socket(std::shared_ptr<wires> network, int family);
  simulated_socket(const simulated_socket&) = delete;
  simulated_socket& operator=(const simulated_socket&) = delete;
  ~simulated_socket();

  wires& network() const noexcept { return *network_; }

  // ---- what the program does; a negative result is that of an errno

  int listen(const net::endpoint& at, int backlog, bool share_port);
  bool has_visitor() const noexcept { return !waiting_.empty(); }
  const pointer& first_visitor() const noexcept { return waiting_.front(); }
  void let_in() noexcept { waiting_.pop_front(); }
  int connect(const net::endpoint& to);
  ssize_t receive(std::byte* into, std::size_t size, bool keeps);
  ssize_t send(const std::byte* from, std::size_t size);
  int shut_down_write();
  void close() { close(message::kind::end); }
  void watch(std::uint64_t token);

  /// Returns   what could be done now, as events of an epoll.
  std::uint32_t events() const noexcept;

  bool has_partner() const noexcept { return phase_ == phase::connected; }

  // ---- what the network does

  void arrive(const message& what);

  /// Keeps what a partition does not let through, and gives it all back, the oldest first.
  void hold(message&& what);
  std::deque<message> take_held() noexcept;
  bool holds_something() const noexcept { return !held_.empty(); }

  /// Ends the connection as a reset does; what has arrived can still be read.
  void break_off(int error);

  net::endpoint local;
  net::endpoint remote;
  bool shares_port = false;
  base::instant last_arrival = 0;  // of what is on its way to here: the next comes later
  base::instant line_free = 0;     // when all that was sent from here has left

 private:
  void close(message::kind tells);
  void tell();
  void take_in(const message& what);
  void answer_knock();
  void give_up(int error);
  base::instant gives_up_at() const noexcept;
  int take_error() noexcept;
  std::size_t room() const noexcept;

  const std::shared_ptr<wires> network_;
  const std::uint64_t id_;
  phase phase_ = phase::fresh;
  int error_ = 0;            // to be told once
  std::uint64_t token_ = 0;  // of who wants to hear of events
  pointer peer_;             // of two ends, until both are closed
  std::deque<std::byte> arrived_;
  bool end_has_arrived_ = false;
  bool is_shut_ = false;         // nothing more is sent from here
  std::size_t in_flight_ = 0;    // sent from here and not read there
  std::deque<pointer> waiting_;  // at the door
  std::size_t backlog_ = 0;
  base::instant began_ = 0;  // to connect
  std::deque<message> held_;
  wires::time_key limit_{};  // when a connect that is held has taken too long
};

}  // namespace martlet::detail
