// A fiber for each connection.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

#include "../support.hpp"

namespace {

long serve(martlet::net::stream& peer) {
  std::array<std::byte, 4096> buffer;
  long bytes = 0;
  while (const std::size_t count = martlet::await(peer.read_some(buffer))) {
    martlet::await(peer.write_all(std::span(buffer).first(count)));
    bytes += static_cast<long>(count);
  }
  return bytes;
}

double serve_all(martlet::net::listener& door, long connections) {
  std::vector<martlet::handle<long>> all;
  double before = 0;
  for (long i = 0; i < connections; ++i) {
    auto peer = martlet::await(door.accept());
    before = i == 0 ? cpu_seconds() : before;
    all.push_back(martlet::spawn([peer = std::move(peer)]() mutable { return serve(peer); }));
  }
  long bytes = 0;
  for (auto& one : all) {
    bytes += martlet::await(one.join());
  }
  return 1e6 * (cpu_seconds() - before) / (static_cast<double>(bytes) / 64);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s THREADS CONNECTIONS\n", arguments[0]);
    return 2;
  }
  martlet::net::listener door(martlet::net::endpoint::localhost(0));
  martlet::scheduler pool(std::atoi(arguments[1]));
  std::printf("port %d\n", door.local_endpoint().port());
  std::fflush(stdout);
  std::printf("cpu_us %.3f\n", pool.block_on(pool.spawn([&] { return serve_all(door, std::atol(arguments[2])); })));
}
