#include <martlet/net/simulated_network.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>

#include <doctest/doctest.h>

#include "conversation.hpp"
#include "in_child.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::simulation;
using martlet::task;

TEST_SUITE("boundaries of a network") {
  TEST_CASE("another thread that uses a simulated socket stops the program with a sentence") {
    const child_end end = in_child([] {
      simulation sim(1);
      simulated_network network(sim);
      listener door(there);
      std::thread([&door] { door.close(); }).join();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("on another thread than its simulation's"));
  }

  TEST_CASE("the plain thread of a simulation may listen, connect, read and write too") {
    simulation sim(1);
    simulated_network network(sim);
    auto [one, other] = connected();
    martlet::await(one.write_all(bytes("h")));
    std::array<std::byte, 2> buffer;
    CHECK(martlet::await(other.read_some(buffer)) == 1);
    CHECK_THROWS_AS(martlet::await(martlet::within(1s, other.read_some(buffer))), martlet::deadline_passed);
  }

  TEST_CASE("who waits for what nobody sends is in the report of the deadlock") {
    simulation sim(1);
    simulated_network network(sim);
    sim.spawn(serve(there));
    CHECK_THROWS_WITH_AS(sim.block_on([]() -> task<> {
      stream server = co_await reach(there);
      std::array<std::byte, 1> buffer;
      static_cast<void>(co_await server.read_some(buffer));
    }()),
                         doctest::Contains("waits for socket #"), martlet::deadlock);
  }

  TEST_CASE("sockets may outlive their network, and their simulation") {
    stream left;
    listener door;
    {
      simulation sim(1);
      {
        simulated_network network(sim);
        door = listener(there);
        left = sim.block_on([]() -> task<stream> { co_return co_await connect(there); }());
      }
      std::array<std::byte, 1> buffer;
      CHECK(sim.block_on(code_of(left.read_some(buffer))) == std::errc::network_down);
      CHECK_THROWS_WITH_AS(listener{there}, doctest::Contains("simulated_network(sim)"), martlet::misuse);
    }
    left.close();
    door.close();
    CHECK_FALSE(left.is_open());
  }

  TEST_CASE("a child of fork has the system's network, and may have a simulated one of its own") {
    simulation sim(1);
    auto network = std::make_unique<simulated_network>(sim);
    const auto end = in_child([&network] {
      bool is_real = false;
      {
        martlet::scheduler pool(1);
        pool.block_on([](bool& result) -> task<> {
          result = listener(endpoint::localhost(0)).native_handle() >= 0;
          co_return;
        }(is_real));
      }
      network.reset();
      simulation own(2);
      const simulated_network another(own);
      own.spawn(serve(there));
      own.block_on([]() -> task<> {
        stream server = co_await connect(there);
        co_await server.write_all(bytes("hello"));
      }());
      ::_exit(is_real ? 3 : 4);
    });
    CHECK(end.exited_with(3));
  }

  TEST_CASE("a simulation without a network refuses sockets with a sentence") {
    auto [real, other] = connected();
    simulation sim(1);
    CHECK_THROWS_WITH_AS(sim.block_on([]() -> task<> { static_cast<void>(co_await connect(there)); }()),
                         doctest::Contains("simulated_network(sim)"), martlet::misuse);
    CHECK_THROWS_WITH_AS(sim.block_on([](stream& from) -> task<> {
      std::array<std::byte, 1> buffer;
      static_cast<void>(co_await from.read_some(buffer));
    }(real)),
                         doctest::Contains("this socket is the system's"), martlet::misuse);
  }

  TEST_CASE("a network has one simulation, a simulation one network, and options that can be") {
    simulation sim(1);
    simulated_network network(sim);
    CHECK_THROWS_AS(simulated_network{sim}, martlet::misuse);
    for (const simulated_network_options& wrong : {simulated_network_options{.least_latency = 2ms, .most_latency = 1ms},
                                                   {.least_latency = -1ns},
                                                   {.loss = 1.5},
                                                   {.largest_piece = 0},
                                                   {.most_in_flight = 0},
                                                   {.connect_limit = -1s}}) {
      CHECK_THROWS_AS(simulated_network(sim, wrong), martlet::misuse);
    }
  }
}

}  // namespace
