// How a wait at a socket ends other than by what it waited for.
#include <martlet/net.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <variant>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::cancelled;
using martlet::deadline_passed;
using martlet::scheduler;
using martlet::task;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::socket_closed;
using martlet::net::stream;

// A listener whose queue is full: who connects now gets no answer.
class full_listener {
 public:
  full_listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const endpoint any = endpoint::localhost(0);
    REQUIRE(::bind(fd_, any.data(), any.size()) == 0);
    REQUIRE(::listen(fd_, 0) == 0);
    for (int i = 0; i < 4; ++i) {
      try {
        waiting_.push_back(await(martlet::within(100ms, martlet::net::connect(where()))));
      } catch (const deadline_passed&) {}
    }
  }
  full_listener(const full_listener&) = delete;
  full_listener& operator=(const full_listener&) = delete;
  ~full_listener() { ::close(fd_); }

  endpoint where() const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return endpoint::from(reinterpret_cast<sockaddr*>(&address), size);
  }

 private:
  int fd_;
  std::vector<stream> waiting_;
};

// Fills what the kernel takes, so that the next write waits.
void fill(stream& one) {
  const std::vector<std::byte> data(1 << 16);
  try {
    for (;;) {
      await(martlet::within(20ms, one.write_some(data)));
    }
  } catch (const deadline_passed&) {}
}

template <class Error>
task<bool> throws(auto make) {
  try {
    co_await make();
  } catch (const Error&) {
    co_return true;
  }
  co_return false;
}

template <class Error>
bool throws_in_fiber(auto make) {
  try {
    await(make());
  } catch (const Error&) {
    return true;
  }
  return false;
}

// Begins the wait in a coroutine, in a fiber and on a plain thread, ends it, and says whether all three threw.
template <class Error>
bool all_throw(scheduler& pool, auto make, auto end) {
  auto coroutine = pool.spawn(throws<Error>(make));
  auto fiber = pool.spawn([&] { return throws_in_fiber<Error>(make); });
  bool thread_threw = false;
  std::thread thread([&] { thread_threw = throws_in_fiber<Error>(make); });
  CHECK(eventually([&] { return coroutine.state() == martlet::status::blocked; }));
  CHECK(eventually([&] { return fiber.state() == martlet::status::blocked; }));
  std::this_thread::sleep_for(5ms);
  end();
  thread.join();
  const bool coroutine_threw = pool.block_on(std::move(coroutine));
  return pool.block_on(std::move(fiber)) && coroutine_threw && thread_threw;
}

TEST_SUITE("waits at sockets") {
  TEST_CASE("closing a stream ends its readers and writers with an error of its own") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    std::array<std::byte, 8> buffer;
    fill(one);
    CHECK(all_throw<socket_closed>(pool, [&] { return one.read_some(buffer); }, [&] { one.close(); }));
    CHECK(thrown_by<socket_closed>([&] { await(one.read_some(buffer)); }) ==
          "read: the socket was closed on this side");
    CHECK(thrown_by<socket_closed>([&] { await(one.write_all(bytes("x"))); }) ==
          "write: the socket was closed on this side");
    CHECK_THROWS_AS(one.shutdown_write(), socket_closed);
    CHECK_THROWS_AS(one.local_endpoint(), socket_closed);
    one.close();
  }

  TEST_CASE("closing ends writers that wait for room") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    fill(one);
    const std::vector<std::byte> data(1 << 20);
    CHECK(all_throw<socket_closed>(pool, [&] { return one.write_all(data); }, [&] { one.close(); }));
  }

  TEST_CASE("closing a listener ends those who wait for a connection, and its port is free") {
    scheduler pool(2);
    listener door(endpoint::localhost(0));
    const endpoint here = door.local_endpoint();
    CHECK(all_throw<socket_closed>(pool, [&] { return door.accept(); }, [&] { door.close(); }));
    listener again(here);
    CHECK(again.local_endpoint() == here);
  }

  TEST_CASE("a time limit ends each kind of wait in each kind of context") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    fill(one);
    listener door(endpoint::localhost(0));
    full_listener full;
    std::array<std::byte, 8> buffer;
    const std::vector<std::byte> data(1 << 20);
    const auto nothing = [] {};
    using martlet::within;
    CHECK(all_throw<deadline_passed>(pool, [&] { return within(20ms, one.read_some(buffer)); }, nothing));
    CHECK(all_throw<deadline_passed>(pool, [&] { return within(20ms, one.readable()); }, nothing));
    CHECK(all_throw<deadline_passed>(pool, [&] { return within(20ms, one.write_some(data)); }, nothing));
    CHECK(all_throw<deadline_passed>(pool, [&] { return within(20ms, one.write_all(data)); }, nothing));
    CHECK(all_throw<deadline_passed>(pool, [&] { return within(20ms, door.accept()); }, nothing));
    CHECK(all_throw<deadline_passed>(pool, [&] { return within(20ms, martlet::net::connect(full.where())); }, nothing));
  }

  TEST_CASE("what is done in time is not disturbed by a limit") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    listener door(endpoint::localhost(0));
    auto reader = pool.spawn([&]() -> task<std::size_t> {
      std::array<std::byte, 8> buffer;
      co_return co_await martlet::within(1h, other.read_some(buffer));
    });
    auto accepter = pool.spawn([&]() -> task<stream> { co_return co_await martlet::within(1h, door.accept()); });
    CHECK(eventually([&] { return reader.state() == martlet::status::blocked; }));
    await(martlet::within(1h, one.write_all(bytes("four"))));
    CHECK(pool.block_on(std::move(reader)) == 4);
    stream to = await(martlet::within(1h, martlet::net::connect(door.local_endpoint())));
    CHECK(pool.block_on(std::move(accepter)).remote_endpoint() == to.local_endpoint());
  }

  TEST_CASE("cancelling ends each kind of wait, and the socket goes on") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    fill(one);
    listener door(endpoint::localhost(0));
    full_listener full;
    std::array<std::byte, 8> buffer;
    const std::vector<std::byte> data(1 << 20);
    std::vector<martlet::handle<bool>> waits;
    waits.push_back(pool.spawn(throws<cancelled>([&] { return one.read_some(buffer); })));
    waits.push_back(pool.spawn(throws<cancelled>([&] { return martlet::within(1h, one.readable()); })));
    waits.push_back(pool.spawn(throws<cancelled>([&] { return one.write_some(data); })));
    waits.push_back(pool.spawn(throws<cancelled>([&] { return door.accept(); })));
    waits.push_back(pool.spawn(throws<cancelled>([&] { return martlet::net::connect(full.where()); })));
    waits.push_back(pool.spawn([&] { return throws_in_fiber<cancelled>([&] { return one.read_some(buffer); }); }));
    for (auto& wait : waits) {
      CHECK(eventually([&] { return wait.state() == martlet::status::blocked; }));
      wait.cancel();
      CHECK(pool.block_on(std::move(wait)));
    }
    await(other.write_all(bytes("still there")));
    CHECK(pool.block_on(read_text(one, 11)) == "still there");
    stream to = await(martlet::net::connect(door.local_endpoint()));
    CHECK(await(door.accept()).is_open());
  }

  TEST_CASE("a reader that gives up again and again loses no byte") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    const int count = by_level(3000, 100'000);
    auto writer = pool.spawn([&]() -> task<> {
      for (int i = 0; i < count; ++i) {
        const std::array<std::byte, 1> next{static_cast<std::byte>(i)};
        co_await one.write_all(next);
        co_await martlet::sleep_for(1us * (i % 200));
      }
      one.shutdown_write();
    });
    auto reader = pool.spawn([&]() -> task<int> {
      int expected = 0;
      int late = 0;
      for (;;) {
        std::array<std::byte, 16> buffer;
        try {
          const std::size_t n = co_await martlet::within(70us, other.read_some(buffer));
          if (n == 0) {
            break;
          }
          for (std::size_t i = 0; i < n; ++i) {
            CHECK(buffer[i] == static_cast<std::byte>(expected++));
          }
        } catch (const deadline_passed&) {
          ++late;
        }
      }
      CHECK(late > 0);
      co_return expected;
    });
    pool.block_on(std::move(writer));
    CHECK(pool.block_on(std::move(reader)) == count);
  }

  TEST_CASE("a select takes a connection or a message, whichever is there, and loses neither") {
    scheduler pool(2);
    listener door(endpoint::localhost(0));
    martlet::channel<int> messages;
    const int connections = by_level(400, 5000);
    martlet::base::atomic<int> accepted{0};
    martlet::base::atomic<int> received{0};
    std::vector<martlet::handle<>> takers;
    for (int i = 0; i < 4; ++i) {
      takers.push_back(pool.spawn([&]() -> task<> {
        for (;;) {
          auto first = co_await martlet::select(door.accept(), messages.receive());
          if (first.index() == 0) {
            ++accepted;
            co_await std::get<0>(first).write_all(bytes("!"));
          } else if (std::get<1>(first)) {
            ++received;
          } else {
            co_return;
          }
        }
      }));
    }
    auto sender = pool.spawn([&]() -> task<> {
      for (int i = 0; i < connections; ++i) {
        co_await messages.send(i);
      }
    });
    auto connector = pool.spawn([&]() -> task<> {
      for (int i = 0; i < connections; ++i) {
        stream to = co_await martlet::net::connect(door.local_endpoint());
        CHECK(co_await read_text(to, 2) == "!");
      }
    });
    pool.block_on(std::move(sender));
    pool.block_on(std::move(connector));
    messages.close();
    for (auto& taker : takers) {
      pool.block_on(std::move(taker));
    }
    CHECK(accepted == connections);
    CHECK(received == connections);
  }

  TEST_CASE("a select waits for both directions of one stream and for a message") {
    scheduler pool(1);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    martlet::channel<int> messages(1);
    std::array<std::byte, 8> buffer;
    const auto which = [&](stream& s) -> task<std::size_t> {
      co_return (co_await martlet::select(s.read_some(buffer), messages.receive(), martlet::sleep_for(1h))).index();
    };
    auto waits = pool.spawn(which(one));
    CHECK(eventually([&] { return waits.state() == martlet::status::blocked; }));
    await(messages.send(1));
    CHECK(pool.block_on(std::move(waits)) == 1);
    waits = pool.spawn(which(one));
    CHECK(eventually([&] { return waits.state() == martlet::status::blocked; }));
    await(other.write_all(bytes("x")));
    CHECK(pool.block_on(std::move(waits)) == 0);
    auto either = pool.block_on([](stream& s, std::span<std::byte> into) -> task<std::size_t> {
      co_return (co_await martlet::select(s.read_some(into), s.write_some(bytes("y")))).index();
    }(one, buffer));
    CHECK(either == 1);
  }

  // TSan starts no thread in the child of a process with threads.
  TEST_CASE("a child of fork waits for itself and leaves its parent's waits alone" * doctest::skip(MARTLET_TSAN != 0)) {
    scheduler pool(1);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    auto pair_of_mine = connected();
    stream& mine = pair_of_mine.first;
    stream& partner = pair_of_mine.second;
    std::array<std::byte, 8> buffer;
    CHECK_THROWS_AS(await(martlet::within(1ms, mine.read_some(buffer))), deadline_passed);  // both are registered
    auto reader = pool.spawn(read_text(one, 3));
    CHECK(eventually([&] { return reader.state() == martlet::status::blocked; }));
    const child_end end = in_child([&] {
      one.close();
      other.close();
      std::thread later([&] {
        std::this_thread::sleep_for(20ms);
        await(partner.write_all(bytes("hello")));
      });
      std::array<std::byte, 8> into;
      const std::size_t count = await(mine.read_some(into));
      later.join();
      std::_Exit(text_of(std::span(into).first(count)) == "hello" ? 0 : 3);
    });
    CHECK(end.exited_with(0));
    await(other.write_all(bytes("abc")));
    CHECK(pool.block_on(std::move(reader)) == "abc");
  }

  TEST_CASE("an operation that was made before its stream was closed does nothing to the next one") {
    auto pair = connected();
    stream& one = pair.first;
    std::array<std::byte, 8> buffer;
    auto read = one.read_some(buffer);
    auto write = one.write_all(bytes("stray"));
    one.close();
    auto pair_of_next = connected();  // takes over descriptor and record
    stream& next = pair_of_next.first;
    stream& partner = pair_of_next.second;
    await(partner.write_all(bytes("mine")));
    CHECK_THROWS_AS(await(read), socket_closed);
    CHECK_THROWS_AS(await(write), socket_closed);
    CHECK(await(next.read_some(buffer)) == 4);
    CHECK_THROWS_AS(await(martlet::within(20ms, partner.read_some(buffer))), deadline_passed);
  }
}

}  // namespace
