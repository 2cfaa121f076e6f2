#include <martlet/net/simulated_network.hpp>

#include <array>
#include <chrono>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "conversation.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::simulation;
using martlet::task;

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
