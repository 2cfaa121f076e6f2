#include <martlet/scheduler/guest.hpp>

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/net.hpp>
#include <martlet/scheduler.hpp>

#include "event_loop.hpp"
#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::guest;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::stream;

// Serves connections until the listener is closed.
task<> echo(listener& door) {
  for (;;) {
    stream peer;
    try {
      peer = co_await door.accept();
    } catch (const martlet::net::socket_closed&) {
      co_return;
    }
    martlet::spawn([](stream of) -> task<> {
      std::array<std::byte, 256> buffer;
      for (;;) {
        const std::size_t count = co_await of.read_some(buffer);
        if (count == 0) {
          co_return;
        }
        co_await of.write_all(std::span(buffer).first(count));
      }
    }(std::move(peer)));
  }
}

// Returns   how many bytes came back.
task<std::size_t> asks(endpoint where, int times) {
  stream to = co_await martlet::net::connect(where);
  std::array<std::byte, 64> out{};
  std::array<std::byte, 64> in;
  std::size_t all = 0;
  for (int i = 0; i < times; ++i) {
    co_await to.write_all(out);
    for (std::size_t got = 0; got < out.size();) {
      const std::size_t count = co_await to.read_some(std::span(in).subspan(got));
      if (count == 0) {
        co_return all;
      }
      got += count;
    }
    all += out.size();
  }
  co_return all;
}

TEST_SUITE("guest with sockets") {
  TEST_CASE("a socket wakes the loop, and several connections are served in it") {
    const int times = scaled(200);
    scheduler pool({.workers = 0});
    guest host(pool);
    listener door(endpoint::localhost(0));
    auto server = pool.spawn(echo(door));
    std::vector<martlet::handle<std::size_t>> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(pool.spawn(asks(door.local_endpoint(), times)));
    }
    for (auto& one : clients) {
      REQUIRE(loop_until(host, [&] { return one.state() >= status::done; }));
      CHECK(pool.block_on(std::move(one)) == 64U * static_cast<unsigned>(times));
    }
    bool is_quiet = false;
    for (int i = 0; i < 10 && !is_quiet; ++i) {  // the last sockets are closed by now, and something may be told twice
      while (host.poll()) {}
      is_quiet = !is_told(host, 5ms);
    }
    CHECK(is_quiet);  // a socket that waits does not keep it awake
    door.close();
    CHECK(loop_until(host, [&] { return server.state() == status::done; }));
  }

  TEST_CASE("the other side may be somewhere else, and be slow") {
    scheduler pool({.workers = 0});
    scheduler elsewhere(1);
    listener door(endpoint::localhost(0));
    auto client = elsewhere.spawn([](endpoint where) -> task<std::size_t> {
      std::size_t all = 0;
      for (int i = 0; i < 5; ++i) {
        co_await martlet::sleep_for(3ms);
        all += co_await asks(where, 3);
      }
      co_return all;
    }(door.local_endpoint()));
    {
      guest host(pool);
      auto server = pool.spawn(echo(door));
      while (client.state() < status::done) {
        if (is_told(host, 10ms)) {
          host.poll({.turns = 1});
        }
      }
      CHECK(elsewhere.block_on(std::move(client)) == 5U * 3 * 64);
    }
    {
      guest next(pool);  // has the same place, and its sockets
      auto again = elsewhere.spawn(asks(door.local_endpoint(), 10));
      CHECK(loop_until(next, [&] { return again.state() >= status::done || is_told(next, 1ms); }));
      while (again.state() < status::done) {
        if (is_told(next, 10ms)) {
          next.poll();
        }
      }
      CHECK(elsewhere.block_on(std::move(again)) == 640);
      door.close();
      while (next.poll()) {}
    }
  }

  TEST_CASE("what it is told while a poll looks at the sockets is not lost") {
    scheduler pool({.workers = 0});
    guest host(pool);
    listener door(endpoint::localhost(0));
    auto server = pool.spawn(echo(door));  // its wait replaces what the loop watches
    bool stop = false;
    for (int i = 0; i < 3; ++i) {
      pool.spawn([&stop] {
        while (!stop) {  // long enough for a look at the sockets after each turn
          const auto end = std::chrono::steady_clock::now() + 200us;
          while (std::chrono::steady_clock::now() < end) {}
          martlet::await(martlet::yield());
        }
      });
    }
    for (int i = 0; i < 5; ++i) {
      CHECK(host.poll({.turns = 10, .time = 1h}));
      CHECK(is_told(host));
    }
    stop = true;
    while (host.poll()) {}
    auto next = pool.spawn([] { return 1; });
    CHECK(is_told(host));
    CHECK(loop_until(host, [&] { return next.state() == status::done; }));
    door.close();
    CHECK(loop_until(host, [&] { return server.state() == status::done; }));
  }

  TEST_CASE("a loop and workers serve the same sockets") {
    const int times = scaled(300);
    scheduler pool({.workers = 1});
    guest host(pool);
    listener door(endpoint::localhost(0));
    auto server = pool.spawn(echo(door));
    std::vector<martlet::handle<std::size_t>> clients;
    for (int i = 0; i < 6; ++i) {
      clients.push_back(pool.spawn(asks(door.local_endpoint(), times)));
    }
    for (auto& one : clients) {
      while (one.state() < status::done) {
        if (is_told(host, 1ms)) {
          host.poll();
        }
      }
      CHECK(pool.block_on(std::move(one)) == 64U * static_cast<unsigned>(times));
    }
    door.close();
    while (server.state() < status::done) {
      host.poll();
    }
  }
}

}  // namespace
