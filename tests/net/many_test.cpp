// Many connections at once, and what must hold while they come and go.
#include <martlet/net.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::stream;
using counter = martlet::base::atomic<int>;

long used_ms() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto of = [](const timeval& t) { return t.tv_sec * 1000 + t.tv_usec / 1000; };
  return of(use.ru_utime) + of(use.ru_stime);
}

task<> echo(stream peer, counter& open, counter& most) {
  const int now = ++open;
  for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
  std::array<std::byte, 64> buffer;
  while (const std::size_t n = co_await peer.read_some(buffer)) {
    co_await peer.write_all(std::span(buffer).first(n));
  }
  --open;
}

task<> accept_all(listener& door, counter& open, counter& most) {
  for (;;) {
    martlet::spawn(echo(co_await door.accept(), open, most));
  }
}

task<bool> ask(stream& to, int id, int round) {
  std::array<int, 4> question{id, round, id ^ round, 7};
  std::array<int, 4> answer{};
  co_await to.write_all(std::as_bytes(std::span(question)));
  const std::string text = co_await read_text(to, sizeof question);
  std::memcpy(answer.data(), text.data(), text.size());
  co_return text.size() == sizeof question&& answer == question;
}

TEST_SUITE("many connections") {
  TEST_CASE("a thousand at once each get their own answers, from both kinds of tasklet") {
    const int connections = 1000;
    counter open{0};
    counter most{0};
    counter connected_ones{0};
    counter right{0};
    {
      listener door(endpoint::localhost(0));
      scheduler pool(2);
      const endpoint there = door.local_endpoint();
      pool.spawn(accept_all(door, open, most));
      martlet::scope clients(pool);
      for (int i = 0; i < connections; ++i) {
        if (i % 2 == 0) {
          clients.spawn([&, i]() -> task<> {
            stream to = co_await martlet::net::connect(there);
            ++connected_ones;
            while (most < connections) {
              co_await martlet::sleep_for(1ms);
            }
            for (int round = 0; round < 5; ++round) {
              right += co_await ask(to, i, round) ? 1 : 0;
            }
          });
        } else {
          clients.spawn([&, i] {
            stream to = await(martlet::net::connect(there));
            ++connected_ones;
            while (most < connections) {
              await(martlet::sleep_for(1ms));
            }
            for (int round = 0; round < 5; ++round) {
              right += await(ask(to, i, round)) ? 1 : 0;
            }
          });
        }
      }
      clients.join();
      CHECK(eventually([&] { return open == 0; }));
    }
    CHECK(connected_ones == connections);
    CHECK(most == connections);
    CHECK(right == 5 * connections);
  }

  TEST_CASE("a tasklet that waits at a socket goes on on another worker, with its locals") {
    listener door(endpoint::localhost(0));
    counter migrated{0};
    counter wrong{0};
    counter open{0};
    counter most{0};
    scheduler pool(2);
    pool.spawn(accept_all(door, open, most));
    const auto until = std::chrono::steady_clock::now() + 60s;
    martlet::scope clients(pool);
    for (int i = 0; i < 16; ++i) {
      clients.spawn([&, i]() -> task<> {
        stream to = co_await martlet::net::connect(door.local_endpoint());
        for (int round = 0; migrated < 20 && std::chrono::steady_clock::now() < until; ++round) {
          const void* before = martlet::base::current();  // not get_id: clang keeps its answer over a co_await
          const std::array<int, 3> locals{i, round, i * round};
          const bool is_right = co_await ask(to, i, round);
          wrong += is_right && locals == std::array<int, 3>{i, round, i * round} ? 0 : 1;
          migrated += before == martlet::base::current() ? 0 : 1;
          const auto busy = std::chrono::steady_clock::now() + 50us;  // so that the others are worth stealing
          while (std::chrono::steady_clock::now() < busy) {
            martlet::base::cpu_pause();
          }
          if (round % 8 == i % 8) {
            co_await martlet::sleep_for(2ms);  // so that now and then a worker has nothing to do, and looks around
          }
        }
      });
    }
    clients.join();
    CHECK(migrated >= 20);
    CHECK(wrong == 0);
  }

  TEST_CASE("while nothing happens the workers sleep, and a message wakes them") {
    listener door(endpoint::localhost(0));
    counter open{0};
    counter most{0};
    scheduler pool(2);
    pool.spawn(accept_all(door, open, most));
    std::vector<stream> clients;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(await(martlet::net::connect(door.local_endpoint())));
    }
    CHECK(eventually([&] { return open == 100; }));
    std::this_thread::sleep_for(300ms);  // until nobody looks any more
    const long before = used_ms();
    const auto then = pool.statistics();
    std::this_thread::sleep_for(1s);
    const auto now = pool.statistics();
    CHECK(used_ms() - before < 50);
    CHECK(now.sleeps == then.sleeps);
    CHECK(now.naps == then.naps);
    const auto start = std::chrono::steady_clock::now();
    await(clients[7].write_all(bytes("wake up")));
    std::array<std::byte, 16> buffer;
    CHECK(await(clients[7].read_some(buffer)) == 7);
    CHECK(std::chrono::steady_clock::now() - start < 1s);
    CHECK(pool.statistics().resumed > now.resumed);
  }

  TEST_CASE("closing under a reader while numbers are used again mixes nothing up") {
    counter wrong{0};
    counter done{0};
    listener door(endpoint::localhost(0));
    scheduler pool(2);
    counter open{0};
    counter most{0};
    pool.spawn(accept_all(door, open, most));
    const endpoint there = door.local_endpoint();
    const int rounds = by_level(300, 20'000);
    martlet::scope clients(pool);
    for (int i = 0; i < 8; ++i) {
      clients.spawn([&, i]() -> task<> {
        for (int round = 0; round < rounds; ++round) {
          auto to = std::make_shared<stream>(co_await martlet::net::connect(there));
          if (!co_await ask(*to, i, round)) {
            ++wrong;
          }
          // A reader that gets nothing but the close, from a tasklet that may run on the other worker.
          auto closer = martlet::spawn([to, round]() -> task<> {
            if (round % 3 != 0) {
              co_await martlet::yield();
            }
            to->close();
          });
          try {
            std::array<std::byte, 8> buffer;
            co_await to->read_some(buffer);
            ++wrong;
          } catch (const martlet::net::socket_closed&) {
            ++done;
          }
          co_await closer.join();
        }
      });
    }
    clients.join();
    CHECK(wrong == 0);
    CHECK(done == 8 * rounds);
  }

  TEST_CASE("two schedulers share a listener, and the waits of one outlive the other") {
    listener door(endpoint::localhost(0));
    scheduler lasting(1);
    auto stays = martlet::handle<stream>();
    {
      scheduler passing(1);
      auto first = passing.spawn([&]() -> task<stream> { co_return co_await door.accept(); });
      CHECK(eventually([&] { return first.state() == martlet::status::blocked; }));
      stays = lasting.spawn([&]() -> task<stream> { co_return co_await door.accept(); });
      CHECK(eventually([&] { return stays.state() == martlet::status::blocked; }));
      stream to = await(martlet::net::connect(door.local_endpoint()));
      CHECK(passing.block_on(std::move(first)).is_open());
    }
    stream to = await(martlet::net::connect(door.local_endpoint()));
    CHECK(lasting.block_on(std::move(stays)).remote_endpoint() == to.local_endpoint());
  }
}

}  // namespace
