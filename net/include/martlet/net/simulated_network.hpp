#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <martlet/net/endpoint.hpp>
#include <martlet/scheduler/simulation.hpp>

namespace martlet {

namespace detail {
class wires;
}  // namespace detail

namespace net {

/// How a simulated network carries bytes.
struct simulated_network_options {
  /// How long a piece is on its way; what is sent, asked and answered is drawn from between the two, each time anew. Order
  /// within a connection is kept.
  std::chrono::nanoseconds least_latency = std::chrono::microseconds(50);
  std::chrono::nanoseconds most_latency = std::chrono::microseconds(500);

  /// How much a connection carries each way in a second; 0: any amount.
  std::uint64_t bytes_per_second = 0;

  /// The chance, for each piece, that the connection is lost with it.
  double loss = 0;

  /// The bytes of a piece: from 1 to so many, drawn each time. So a read finds a part of what was written now and then.
  std::size_t largest_piece = 1448;

  /// How many bytes one side may have sent that the other has not read; then writers wait.
  std::size_t most_in_flight = 64 * 1024;

  /// After how long `connect` gives up where nothing answers: a partition, or a queue that stays full.
  std::chrono::nanoseconds connect_limit = std::chrono::seconds(127);
};

/// A network inside a simulation: what its tasklets listen on, and connect to, is here and nowhere else.
///
/// Servers and clients run in it unchanged, in one process. Every address exists; several servers may have addresses of
/// their own. How long things are on their way, in which pieces bytes arrive and which connections are lost is drawn from the
/// simulation's seed, so that the same seed gives the same run.
///
/// ```cpp
/// martlet::simulation sim(42);
/// martlet::net::simulated_network network(sim, {.most_latency = 20ms, .loss = 0.001});
/// sim.spawn(serve(endpoint::localhost(80)));
/// sim.block_on(ask(endpoint::localhost(80)));
/// ```
///
/// Sockets behave as over TCP, those of Unix paths too, but have no descriptor (`native_handle` is -1) and leave nothing in
/// the file system. Who connects has the address that it connects to, with another port.
///
/// Its end loses what is on its way; who waits there then waits for ever, until the simulation ends.
///
/// Threads   the simulation's, in its tasklets and outside.
/// Cost      some 0.3 us a piece, and the memory of what is in flight.
class simulated_network {
 public:
  /// Throws    misuse for options that cannot be, on a thread that is not the simulation's, and for a second one there.
  explicit simulated_network(simulation& of, const simulated_network_options& how = {});
  simulated_network(const simulated_network&) = delete;
  simulated_network& operator=(const simulated_network&) = delete;
  ~simulated_network();

  /// Cuts an endpoint off: what is sent from there, or to there, waits, and so does who connects to it.
  ///
  /// Takes     an endpoint that is listened on, or a stream's `local_endpoint`; port 0 stands for all of the address, and
  ///           `endpoint::any(0)` for all of IPv4.
  void partition(const endpoint& at);

  /// Ends the partition of the same endpoint: what waits is on its way.
  void heal(const endpoint& at);

  /// Breaks the present connections of an endpoint, named as for `partition`: both sides get ECONNRESET, and what was on its
  /// way is lost.
  void lose_connections(const endpoint& at);

  /// Makes an endpoint slow: so many bytes a second each way on each of its connections, in place of the network's number,
  /// from the next piece on. 0: any amount.
  void set_rate(const endpoint& at, std::uint64_t bytes_per_second);

 private:
  const std::shared_ptr<detail::wires> wires_;
};

}  // namespace net

}  // namespace martlet
