#include <martlet/net/simulated_network.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "in_child.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::simulation;
using martlet::task;
using martlet::net::connect;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::simulated_network;
using martlet::net::simulated_network_options;
using martlet::net::stream;

using nanoseconds = std::chrono::nanoseconds;

const endpoint there = endpoint::localhost(7);

/// One latency for everything.
constexpr simulated_network_options always(nanoseconds latency) {
  return {.least_latency = latency, .most_latency = latency};
}

nanoseconds elapsed() { return nanoseconds(martlet::base::now()); }

// Ends like the other side: in peace, or broken off.
task<> echo(stream peer) {
  std::array<std::byte, 256> buffer;
  try {
    while (const std::size_t count = co_await peer.read_some(buffer)) {
      co_await peer.write_all(std::span(buffer).first(count));
    }
  } catch (const std::system_error&) {}
}

task<> serve(endpoint at, std::function<task<>(stream)> conversation = echo) {
  listener door(at);
  for (;;) {
    stream peer = co_await door.accept();
    // With a copy of what is called, which may live for longer than this.
    martlet::spawn([conversation, own = std::move(peer)]() mutable { return conversation(std::move(own)); });
  }
}

task<std::string> ask(stream& server, std::string_view question) {
  co_await server.write_all(bytes(question));
  co_return co_await read_text(server, question.size());
}

// For who comes before the server listens.
task<stream> reach(endpoint to) {
  for (;;) {
    try {
      co_return co_await connect(to);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::connection_refused) {
        throw;
      }
    }
    co_await martlet::sleep_for(1ms);
  }
}

task<std::error_code> code_of(auto operation) {
  try {
    static_cast<void>(co_await std::move(operation));
  } catch (const std::system_error& e) {
    co_return e.code();
  }
  co_return std::error_code();
}

// Returns   the hash of a run.
std::uint64_t run_of_clients(std::uint64_t seed, simulated_network_options how) {
  simulation sim(seed);
  simulated_network network(sim, how);
  sim.spawn(serve(there));
  int answers = 0;
  martlet::scope clients(sim);
  for (int i = 0; i < 5; ++i) {
    clients.spawn([](int number, int& right) -> task<> {
      stream server = co_await reach(there);
      for (int k = 0; k < 3; ++k) {
        const std::string question = "question " + std::to_string(number) + '.' + std::to_string(k);
        right += co_await ask(server, question) == question ? 1 : 0;
      }
    }(i, answers));
  }
  clients.join();
  CHECK(answers == 15);
  const std::uint64_t hash = sim.hash();
  CHECK(sim.shutdown(0s).is_complete());
  return hash;
}

TEST_SUITE("network") {
  TEST_CASE("a server and its clients run the same for the same seed, and differently for another one") {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      const std::uint64_t hash = run_of_clients(seed, {});
      CHECK(run_of_clients(seed, {}) == hash);
      hashes.insert(hash);
    }
    CHECK(hashes.size() == 50);
  }

  TEST_CASE("latencies add up in virtual time, and take no time") {
    const auto before = std::chrono::steady_clock::now();
    simulation sim(1);
    simulated_network network(sim, always(1h));
    sim.spawn(serve(there));
    sim.block_on([]() -> task<> {
      co_await martlet::yield();
      stream server = co_await reach(there);
      const nanoseconds began = elapsed();
      for (int i = 0; i < 10; ++i) {
        static_cast<void>(co_await ask(server, "?"));
      }
      CHECK(elapsed() - began >= 20h);
      CHECK(elapsed() - began < 20h + 1s);
    }());
    CHECK(std::chrono::steady_clock::now() - before < 1h);
  }

  TEST_CASE("bytes arrive in order, in pieces that are not those that were sent") {
    simulation sim(3);
    simulated_network network(sim, {.largest_piece = 100});
    listener door(there);
    std::string sent;
    for (int i = 0; i < 20'000; ++i) {
      sent += static_cast<char>('a' + i % 23);
    }
    auto writer = sim.spawn([](const std::string& text) -> task<> {
      stream to = co_await connect(there);
      co_await to.write_all(bytes(text));
    }(sent));
    std::string got;
    std::set<std::size_t> sizes;
    sim.block_on([](listener& at, std::string& all, std::set<std::size_t>& pieces) -> task<> {
      stream from = co_await at.accept();
      std::array<std::byte, 4096> buffer;
      while (const std::size_t count = co_await from.read_some(buffer)) {
        all += text_of(std::span(buffer).first(count));
        pieces.insert(count);
      }
    }(door, got, sizes));
    sim.block_on(std::move(writer));
    CHECK(got == sent);
    CHECK(sizes.size() > 10);
  }

  TEST_CASE("a rate is kept, and may be an endpoint's own") {
    simulation sim(1);
    simulated_network network(sim, {.most_latency = 1ms, .bytes_per_second = 1000});
    sim.spawn(serve(there));
    const auto time_of = [&sim] {
      return sim.block_on([]() -> task<nanoseconds> {
        stream server = co_await reach(there);
        const nanoseconds began = elapsed();
        CHECK(co_await ask(server, std::string(5000, 'x')) == std::string(5000, 'x'));
        co_return elapsed() - began;
      }());
    };
    const nanoseconds slow = time_of();
    CHECK(slow > 5s);
    CHECK(slow < 11s);
    network.set_rate(there, 100);
    CHECK(time_of() > 50s);
    network.set_rate(there, 0);
    CHECK(time_of() < 1s);
  }

  TEST_CASE("a slow reader pushes the writer back") {
    simulation sim(1);
    simulated_network network(sim, {.most_in_flight = 1000});
    listener door(there);
    std::size_t written = 0;
    std::size_t read = 0;
    std::size_t most = 0;
    auto writer = sim.spawn([](std::size_t& count) -> task<> {
      stream to = co_await connect(there);
      const std::vector<std::byte> data(100);
      for (int i = 0; i < 100; ++i) {
        co_await to.write_all(data);
        count += data.size();
      }
    }(written));
    sim.block_on([](listener& at, const std::size_t& sent, std::size_t& got, std::size_t& ahead) -> task<> {
      stream from = co_await at.accept();
      std::array<std::byte, 70> buffer;
      for (;;) {
        co_await martlet::sleep_for(1s);
        ahead = std::max(ahead, sent - got);
        const std::size_t count = co_await from.read_some(buffer);
        if (count == 0) {
          break;
        }
        got += count;
      }
    }(door, written, read, most));
    sim.block_on(std::move(writer));
    CHECK(read == 10'000);
    CHECK(most > 800);
    CHECK(most <= 1000);
  }

  TEST_CASE("a lost connection is told to both sides, and a server survives it") {
    std::vector<std::error_code> told;
    simulation sim(1);
    simulated_network network(sim);
    sim.spawn(serve(there, [&told](stream peer) -> task<> {
      std::array<std::byte, 16> buffer;
      try {
        while (co_await peer.read_some(buffer) != 0) {}
      } catch (const std::system_error& e) {
        told.push_back(e.code());
      }
    }));
    sim.block_on([](simulated_network& net) -> task<> {
      stream server = co_await reach(there);
      co_await server.write_all(bytes("hello"));
      co_await martlet::sleep_for(1s);
      net.lose_connections(there);
      std::array<std::byte, 16> buffer;
      CHECK(co_await code_of(server.read_some(buffer)) == std::errc::connection_reset);
      CHECK(co_await code_of(server.write_all(bytes("more"))) == std::errc::broken_pipe);
      CHECK(co_await server.read_some(buffer) == 0);
      co_await martlet::sleep_for(1s);
      stream again = co_await connect(there);
      co_await again.write_all(bytes("hello again"));
    }(network));
    REQUIRE(told.size() == 1);
    CHECK(told[0] == std::errc::connection_reset);
  }

  TEST_CASE("every connection is lost sooner or later where losses have a chance") {
    simulation sim(1);
    simulated_network network(sim, {.loss = 0.01});
    sim.spawn(serve(there));
    const int questions = sim.block_on([]() -> task<int> {
      stream server = co_await reach(there);
      for (int asked = 0;; ++asked) {
        try {
          static_cast<void>(co_await ask(server, "?"));
        } catch (const std::system_error& e) {
          CHECK(e.code() == std::errc::connection_reset);
          co_return asked;
        }
      }
    }());
    CHECK(questions > 0);
    CHECK(questions < 2000);
    CHECK(sim.shutdown(0s).is_complete());
  }

  TEST_CASE("nothing passes a partition, and everything comes in order when it heals") {
    simulation sim(1);
    simulated_network network(sim);
    sim.spawn(serve(there));
    sim.block_on([](simulated_network& net) -> task<> {
      stream server = co_await reach(there);
      CHECK(co_await ask(server, "before") == "before");
      net.partition(there);
      co_await server.write_all(bytes("during"));
      std::array<std::byte, 16> buffer;
      CHECK_THROWS_AS(co_await martlet::within(1s, server.read_some(buffer)), martlet::deadline_passed);
      CHECK_THROWS_AS(co_await martlet::within(1s, connect(there)), martlet::deadline_passed);
      auto late = martlet::spawn([]() -> task<std::string> {
        stream other = co_await connect(there);
        co_return co_await ask(other, "late");
      }());
      co_await martlet::sleep_for(1s);
      co_await server.write_all(bytes(" and still"));
      net.heal(there);
      co_await server.write_all(bytes(" and after"));
      CHECK(co_await read_text(server, 26) == "during and still and after");
      CHECK(co_await late.join() == "late");
    }(network));
  }

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

  TEST_CASE("who writes to a side that has closed is told so") {
    simulation sim(1);
    simulated_network network(sim);
    listener door(there);
    sim.block_on([](listener& at) -> task<> {
      stream one = co_await connect(there);
      stream other = co_await at.accept();
      other.close();
      co_await one.write_all(bytes("nobody reads this"));
      co_await martlet::sleep_for(1s);
      CHECK(co_await code_of(one.write_all(bytes("nor this"))) == std::errc::broken_pipe);
    }(door));
  }

  TEST_CASE("fibers, selects and cancels work as on any network") {
    simulation sim(1);
    simulated_network network(sim, always(1ms));
    sim.spawn(serve(there));
    sim.block_on(sim.spawn([] {
      martlet::await(martlet::sleep_for(1s));
      stream quiet = martlet::await(connect(there));
      stream server = martlet::await(connect(there));
      std::array<std::byte, 1> one;
      std::array<std::byte, 1> other;
      for (int i = 0; i < 10; ++i) {
        martlet::await(server.write_all(bytes("x")));
        CHECK(martlet::await(martlet::select(quiet.read_some(one), server.read_some(other))).index() == 1);
      }
      auto reader = martlet::spawn([&quiet, &one] { martlet::await(quiet.read_some(one)); });
      martlet::await(martlet::sleep_for(1s));
      reader.cancel();
      CHECK_THROWS_AS(martlet::await(reader.join()), martlet::cancelled);
      martlet::await(quiet.write_all(bytes("x")));
      martlet::await(quiet.readable());
      CHECK(martlet::await(quiet.read_some(one)) == 1);
    }));
  }

  // Clients that begin anew after each trouble, and somebody who makes troubles.
  TEST_CASE("what arrives is what was sent, whatever happens to the connections") {
    const auto run = [](std::uint64_t seed) {
      simulation sim(seed);
      simulated_network network(sim, {.bytes_per_second = 100'000, .loss = 0.01, .most_in_flight = 2000});
      sim.spawn(serve(there));
      sim.spawn([](simulated_network& net) -> task<> {
        for (int i = 0;; ++i) {
          co_await martlet::sleep_for(20ms);
          net.partition(there);
          co_await martlet::sleep_for(10ms);
          net.heal(there);
          if (i % 3 == 0) {
            net.lose_connections(there);
          }
        }
      }(network));
      martlet::scope clients(sim);
      for (int i = 0; i < 4; ++i) {
        clients.spawn([](int number) -> task<> {
          const std::string text(static_cast<std::size_t>(100 + 400 * number), static_cast<char>('a' + number));
          for (int done = 0; done < 3;) {
            try {
              stream server = co_await reach(there);
              for (; done < 3; ++done) {
                const std::string answer = co_await ask(server, text);
                if (answer.empty()) {
                  break;
                }
                CHECK(answer == text.substr(0, answer.size()));
              }
            } catch (const std::system_error& e) {
              CHECK(e.code() == std::errc::connection_reset);
            }
          }
        }(i));
      }
      clients.join();
      const std::uint64_t hash = sim.hash();
      CHECK(sim.shutdown(0s).is_complete());
      return hash;
    };
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CHECK(run(seed) == run(seed));
    }
  }

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

  // A client that asks again after a lost answer, without a number by which the server would know it: it counts twice.
  TEST_CASE("explore finds the deposit that a lost answer doubles") {
    const auto program = [](bool has_numbers) {
      return [has_numbers](simulation& sim) {
        simulated_network network(sim, {.loss = 0.02});
        struct account {
          int balance = 0;
          std::set<char> known;
        };
        const auto mine = std::make_shared<account>();  // the server's too, which ends later
        sim.spawn(serve(there, [has_numbers, mine](stream peer) -> task<> {
          try {
            const std::string request = co_await read_text(peer, 1);
            if (!request.empty() && (!has_numbers || mine->known.insert(request[0]).second)) {
              ++mine->balance;
            }
            co_await peer.write_all(bytes("."));
          } catch (const std::system_error&) {}
        }));
        sim.block_on([]() -> task<> {
          for (const char number : {'1', '2', '3'}) {
            for (bool is_done = false; !is_done;) {
              try {
                stream server = co_await reach(there);
                co_await server.write_all(std::as_bytes(std::span(&number, 1)));
                is_done = co_await read_text(server, 1) == ".";
              } catch (const std::system_error&) {}
            }
          }
        }());
        if (mine->balance != 3) {
          throw std::runtime_error("a deposit was counted twice");
        }
      };
    };
    const auto found = martlet::explore(program(false), {.schedules = 1000, .shrinking = 100});
    REQUIRE(found.failed);
    CHECK(found.failed->what == "a deposit was counted twice");
    CHECK_THROWS_WITH(
        [&] {
          simulation again(found.failed->shrunk);
          program(false)(again);
        }(),
        "a deposit was counted twice");
    CHECK_FALSE(martlet::explore(program(true), {.schedules = 200}).failed);
  }
}

}  // namespace
