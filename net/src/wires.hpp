#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <martlet/base/clock.hpp>
#include <martlet/net/simulated_network.hpp>
#include <martlet/scheduler/environment.hpp>

namespace martlet::detail {

class simulated_socket;

/// Returns   the address of `family` that stands for all, with port 0.
net::endpoint nameless(int family) noexcept;

/// Returns   where a connection to `one` goes: to this machine, if `one` stands for every address.
net::endpoint as_destination(const net::endpoint& one) noexcept;

/// What comes to one end of a connection of a simulated network.
struct message {
  enum class kind : std::uint8_t {
    bytes,
    end,      // nothing more will come
    reset,    // the other side has broken the connection off
    loss,     // the connection is gone, for both sides
    room,     // the other side has read: there is room for more
    knock,    // wants to be connected; `to` is who knocks
    welcome,  // is connected
    refusal,  // nobody listens there
    timeout,  // has knocked for too long
    look,     // nothing but an occasion to tell of what there is
  };

  kind what;
  std::shared_ptr<simulated_socket> to;
  std::vector<std::byte> bytes = {};
};

/// The inside of a simulated network: what is on its way, and when it arrives.
///
/// Everything that one end does to another is a message that arrives at some time, in the order of times and among equal
/// ones in the order of sending. A socket's own calls never reach into another socket's waits.
///
/// Threads   the simulation's; `of_this_thread` any.
class wires final : public environment, public std::enable_shared_from_this<wires> {
 public:
  using time_key = std::pair<base::instant, std::uint64_t>;  // when, and the how manyeth

  wires(const net::simulated_network_options& how, std::uint64_t seed);

  /// Returns   the calling thread's; null when it has none.
  static std::shared_ptr<wires> of_this_thread();

  /// Makes it that of the calling thread.
  void open() noexcept;

  /// Ends it: nothing is carried any more.
  void close() noexcept;
  bool is_closed() const noexcept { return is_closed_; }

  const void* thread() const noexcept { return thread_; }
  const net::simulated_network_options& how() const noexcept { return how_; }

  // ---- for sockets

  std::uint64_t add(simulated_socket& one);
  void remove(std::uint64_t id) noexcept { sockets_.erase(id); }

  /// Sends to `what.to`, whose connection's other end is `from`.
  void send(message&& what, simulated_socket& from);

  /// Lets it arrive at a time, or as soon as possible, without a way.
  time_key put(message&& what, base::instant at);
  time_key put_now(message&& what);
  void take_back(const time_key& which) noexcept { on_the_way_.erase(which); }

  /// Returns   from 0 to less than `bound`.
  std::uint64_t draw(std::uint64_t bound) noexcept { return random_() % bound; }
  bool draws_loss() noexcept { return how_.loss > 0 && static_cast<double>(random_()) < how_.loss * 0x1p64; }

  /// Returns   who listens where `at` says, one of several that share it; null when nobody does.
  simulated_socket* find_door(const net::endpoint& at);
  bool is_taken(const net::endpoint& at, bool share_port) const noexcept;

  /// Returns   the same with a port that is free.
  net::endpoint with_new_port(const net::endpoint& at) noexcept;

  void enter_door(simulated_socket& one) { doors_.push_back(&one); }
  void leave_door(simulated_socket& one) noexcept { std::erase(doors_, &one); }

  // ---- for the network

  void partition(const net::endpoint& at);
  void heal(const net::endpoint& at);
  void lose_connections(const net::endpoint& at);
  void set_rate(const net::endpoint& at, std::uint64_t bytes_per_second);

  // ---- an environment

  base::instant next() const noexcept override {
    return on_the_way_.empty() ? base::never : on_the_way_.begin()->first.first;
  }
  void move_on() override;

 private:
  static constexpr std::uint16_t first_port = 32768;

  bool is_cut(const simulated_socket& one) const noexcept;
  std::uint64_t rate_of(const simulated_socket& one) const noexcept;
  base::instant latency() noexcept;

  const net::simulated_network_options how_;
  const void* const thread_;
  std::mt19937_64 random_;
  wires* older_ = nullptr;  // of another thread
  bool is_closed_ = false;
  std::map<time_key, message> on_the_way_;
  std::uint64_t sent_ = 0;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, simulated_socket*> sockets_;  // in the order in which they were made
  std::vector<simulated_socket*> doors_;
  std::vector<net::endpoint> cut_;
  std::vector<std::pair<net::endpoint, std::uint64_t>> rates_;
  std::uint16_t next_port_ = first_port;
};

}  // namespace martlet::detail
