#include <martlet/net/simulated_network.hpp>

#include <array>
#include <chrono>
#include <set>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

#include "conversation.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::simulation;
using martlet::task;

TEST_SUITE("endpoints of a network") {
  TEST_CASE("a connect gives up in a partition, and at a queue that stays full") {
    simulation sim(1);
    simulated_network network(sim, {.connect_limit = 10s});
    listener door(there, {.backlog = 1});
    sim.block_on([](simulated_network& net) -> task<> {
      net.partition(there);
      const nanoseconds began = elapsed();
      CHECK(co_await code_of(connect(there)) == std::errc::timed_out);
      CHECK(elapsed() - began >= 10s);
      CHECK(elapsed() - began < 11s);
      net.heal(there);
      stream first = co_await connect(there);
      CHECK(co_await code_of(connect(there)) == std::errc::timed_out);
      CHECK(elapsed() - began >= 20s);
    }(network));
  }

  TEST_CASE("who comes where nobody listens is refused") {
    simulation sim(1);
    simulated_network network(sim, always(1ms));
    sim.block_on([]() -> task<> {
      CHECK(co_await code_of(connect(there)) == std::errc::connection_refused);
      listener door(there);
      stream in_queue = co_await connect(there);
      door.close();
      std::array<std::byte, 1> buffer;
      CHECK(co_await code_of(in_queue.read_some(buffer)) == std::errc::connection_reset);
      CHECK(co_await code_of(connect(there)) == std::errc::connection_refused);
    }());
  }

  TEST_CASE("endpoints are what was asked for, and chosen ports the same in each run") {
    std::set<std::string> seen;
    for (const std::uint64_t seed : {1U, 2U}) {
      simulation sim(seed);
      simulated_network network(sim);
      listener door(endpoint::any(0));
      const std::uint16_t port = door.local_endpoint().port();
      CHECK(port != 0);
      const endpoint far = endpoint::parse("10.1.2.3:" + std::to_string(port));
      sim.block_on([](listener& at, endpoint to, std::set<std::string>& all) -> task<> {
        stream one = co_await connect(to);
        stream other = co_await at.accept();
        CHECK(one.remote_endpoint() == to);
        CHECK(other.local_endpoint() == to);
        CHECK(one.local_endpoint() == other.remote_endpoint());
        CHECK(one.native_handle() == -1);
        CHECK(one.is_open());
        all.insert(one.local_endpoint().to_string());
      }(door, far, seen));
    }
    CHECK(seen.size() == 1);
  }

  TEST_CASE("an endpoint has one listener, or several that share it") {
    simulation sim(1);
    simulated_network network(sim);
    listener first(endpoint::any(80));
    CHECK_THROWS_WITH_AS(listener(endpoint::localhost(80)), doctest::Contains("another socket uses this address"),
                         std::system_error);
    first.close();
    listener one(endpoint::localhost(80), {.share_port = true});
    listener other(endpoint::localhost(80), {.share_port = true});
    std::array<int, 2> served{};
    const auto count = [](listener& at, int& many) -> task<> {
      for (;; ++many) {
        static_cast<void>(co_await at.accept());
      }
    };
    sim.spawn(count(one, served[0]));
    sim.spawn(count(other, served[1]));
    sim.block_on([]() -> task<> {
      for (int i = 0; i < 40; ++i) {
        static_cast<void>(co_await connect(endpoint::localhost(80)));
      }
      co_await martlet::sleep_for(1s);
    }());
    CHECK(served[0] + served[1] == 40);
    CHECK(served[0] > 0);
    CHECK(served[1] > 0);
    CHECK(sim.shutdown(0s).is_complete());
  }

  TEST_CASE("either side may end its half, and a Unix path is an endpoint as any") {
    simulation sim(1);
    simulated_network network(sim);
    const endpoint path = endpoint::unix_path("/nowhere/in/the/file/system");
    sim.spawn(serve(path, [](stream peer) -> task<> {
      const std::string all = co_await read_text(peer, 1000);
      co_await peer.write_all(bytes(std::to_string(all.size())));
    }));
    sim.block_on([](endpoint to) -> task<> {
      stream server = co_await reach(to);
      CHECK(server.remote_endpoint() == to);
      co_await server.write_all(bytes("twelve bytes"));
      server.shutdown_write();
      CHECK(co_await code_of(server.write_all(bytes("more"))) == std::errc::broken_pipe);
      CHECK(co_await read_text(server, 1000) == "12");
    }(path));
  }
}

}  // namespace
