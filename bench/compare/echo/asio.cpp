// An echo server: a coroutine for each connection.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

using acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor_type>;
using socket_type = asio::basic_stream_socket<asio::ip::tcp, executor_type>;

struct totals {
  long connections;
  std::atomic<long> closed = 0;
  std::atomic<std::size_t> bytes = 0;
  double cpu_before = 0;
  double cpu_after = 0;
};

task<> echo(socket_type socket, totals& all) {
  std::array<char, 4096> data;
  std::size_t bytes = 0;
  for (;;) {
    const auto [ended, got] = co_await socket.async_read_some(asio::buffer(data), asio::as_tuple(asio::deferred));
    if (ended) {
      break;
    }
    bytes += co_await asio::async_write(socket, asio::buffer(data, got), asio::deferred);
  }
  socket.close();
  all.bytes += bytes;
  if (++all.closed == all.connections) {
    all.cpu_after = cpu_seconds();
  }
}

task<> serve(acceptor& listener, totals& all) {
  const auto executor = co_await asio::this_coro::executor;
  for (long i = 0; i < all.connections; ++i) {
    socket_type socket(executor);
    co_await listener.async_accept(socket, asio::deferred);
    if (i == 0) {
      all.cpu_before = cpu_seconds();
    }
    socket.set_option(asio::ip::tcp::no_delay(true));
    asio::co_spawn(executor, echo(std::move(socket), all), asio::detached);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s THREADS CONNECTIONS\n", arguments[0]);
    return 2;
  }
  const int threads = std::atoi(arguments[1]);
  totals all{.connections = std::atol(arguments[2])};
  asio::io_context context(threads);
  acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
  std::printf("port %d\n", listener.local_endpoint().port());
  std::fflush(stdout);
  asio::co_spawn(context, serve(listener, all), asio::detached);
  run(context, threads);
  std::printf("cpu_us %.3f\n", 1e6 * (all.cpu_after - all.cpu_before) / (static_cast<double>(all.bytes) / 64));
  return 0;
}
