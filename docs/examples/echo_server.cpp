// Sends back what it is sent: a tasklet for each connection, which ends when nothing came for a minute.
//
//   ./example-echo_server 127.0.0.1:7000        and then, elsewhere:   nc 127.0.0.1 7000
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

using namespace std::chrono_literals;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::stream;

martlet::task<> serve(stream peer) {
  std::array<std::byte, 4096> buffer;
  try {
    while (const std::size_t count = co_await martlet::within(1min, peer.read_some(buffer))) {
      co_await peer.write_all(std::span(buffer).first(count));
    }
  } catch (const martlet::deadline_passed&) {
    std::puts("a connection was quiet for too long");
  } catch (const std::system_error& error) {
    std::printf("a connection ended: %s\n", error.what());
  }
}

martlet::task<> accept_all(listener& door) {
  for (;;) {
    martlet::spawn(serve(co_await door.accept()));
  }
}

int main(int count, char** arguments) try {
  listener door(count > 1 ? endpoint::parse(arguments[1]) : endpoint::localhost(0));
  std::printf("listening on %s\n", door.local_endpoint().to_string().c_str());
  std::fflush(stdout);
  martlet::scheduler pool;
  pool.block_on(accept_all(door));
} catch (const std::exception& error) {
  std::fprintf(stderr, "echo_server: %s\n", error.what());
  return 2;
}
