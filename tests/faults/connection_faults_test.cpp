#include <martlet/net.hpp>

#include <chrono>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <sys/ioctl.h>
#include <sys/socket.h>

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
using martlet::net::stream;

// Returns   the error of the system that `body` ends with; 0 when it ends without.
template <class F>
int error_of(F body) {
  try {
    body();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

std::vector<std::byte> counted_up(std::size_t size) {
  std::vector<std::byte> data(size);
  std::uint32_t number = 0;
  for (std::byte& one : data) {
    number = number * 1664525 + 1013904223;
    one = static_cast<std::byte>(number >> 24);
  }
  return data;
}

// Every way to wait for a reader to come to its end.
task<std::vector<std::byte>> read_all(stream& from, std::size_t at_once) {
  std::vector<std::byte> all;
  std::vector<std::byte> piece(at_once);
  while (const std::size_t count = co_await from.read_some(piece)) {
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  co_return all;
}

TEST_SUITE("faults of connections") {
  TEST_CASE("a reset reaches who waits in a read, and only him") {
    scheduler pool(2);
    auto pair = connected();  // clang 14 captures no structured bindings
    stream& one = pair.first;
    stream& other = pair.second;
    auto next_pair = connected();
    stream& quiet = next_pair.first;
    stream& neighbour = next_pair.second;
    auto reader = pool.spawn([&] {
      std::byte rest[16];
      return error_of([&] { await(one.read_some(rest)); });
    });
    auto next_door = pool.spawn([&] {
      std::byte rest[16];
      return await(quiet.read_some(rest));
    });
    REQUIRE(eventually([&] { return reader.state() == martlet::status::blocked; }));
    reset_on_close(other);
    other.close();
    CHECK(pool.block_on(std::move(reader)) == ECONNRESET);
    await(neighbour.write_all(bytes("unharmed")));
    CHECK(pool.block_on(std::move(next_door)) == 8);
  }

  TEST_CASE("a reset in the middle of a long write ends the write, and the worker goes on") {
    scheduler pool(1);
    auto pair = connected();  // clang 14 captures no structured bindings
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    const auto data = counted_up(4 << 20);
    auto writer = pool.spawn([&] { return error_of([&] { await(one.write_all(data)); }); });
    std::vector<std::byte> first(1000);
    REQUIRE(await(other.read_some(first)) > 0);
    REQUIRE(eventually([&] { return writer.state() == martlet::status::blocked; }));
    reset_on_close(other);
    other.close();
    const int error = pool.block_on(std::move(writer));
    CHECK((error == ECONNRESET || error == EPIPE));
    CHECK(error_of([&] { await(one.write_all(bytes("more"))); }) == EPIPE);
    CHECK(pool.block_on(pool.spawn([] { return 7; })) == 7);
  }

  TEST_CASE("with a buffer for a few bytes everything arrives, in order, in both directions at once") {
    scheduler pool(2);
    auto pair = connected();  // clang 14 captures no structured bindings
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    keep_little(other, one);
    const int least = 1;  // the kernel makes the smallest of it that it has
    for (stream* end : {&one, &other}) {
      ::setsockopt(end->native_handle(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    }
    const auto data = counted_up(static_cast<std::size_t>(scaled(400'000)));
    const auto send = [&data](stream& to) {
      await(to.write_all(data));
      to.shutdown_write();
    };
    auto first_writer = pool.spawn([&, &to = one] { send(to); });
    auto second_writer = pool.spawn([&, &to = other] { send(to); });
    auto first = pool.spawn(read_all(one, 100));
    auto second = pool.spawn(read_all(other, 7'000));
    CHECK(pool.block_on(std::move(first)) == data);
    CHECK(pool.block_on(std::move(second)) == data);
    pool.block_on(std::move(first_writer));
    pool.block_on(std::move(second_writer));
  }

  TEST_CASE("write_some takes what fits, and says how much") {
    auto pair = connected();  // clang 14 captures no structured bindings
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    const auto data = counted_up(4 << 20);
    const std::size_t count = await(one.write_some(data));
    CHECK(count > 0);
    CHECK(count < data.size());
    one.close();
    const auto arrived = [](stream& from) { return martlet::testing::read_text(from, 4 << 20); };
    scheduler pool(1);
    CHECK(pool.block_on(arrived(other)) == text_of(std::span(data).first(count)));
  }

  TEST_CASE("a half that was closed stays closed, and the other half goes on, whichever it is") {
    scheduler pool(1);
    for (const bool is_first : {true, false}) {
      CAPTURE(is_first);
      auto pair = connected();
      stream& done = is_first ? pair.first : pair.second;
      stream& going = is_first ? pair.second : pair.first;
      done.shutdown_write();
      std::byte rest[8];
      CHECK(await(going.read_some(rest)) == 0);
      CHECK(await(going.read_some(rest)) == 0);
      CHECK(error_of([&] { await(done.write_all(bytes("too late"))); }) == EPIPE);
      auto reader = pool.spawn(read_text(done, 12));
      REQUIRE(eventually([&] { return reader.state() == martlet::status::blocked; }));
      await(going.write_all(bytes("still ")));
      await(going.write_all(bytes("going!")));
      CHECK(pool.block_on(std::move(reader)) == "still going!");
      going.shutdown_write();
      CHECK(await(done.read_some(rest)) == 0);
    }
  }

  TEST_CASE("a half-close wakes who waits in a read, while another waits in a write") {
    scheduler pool(2);
    auto pair = connected();  // clang 14 captures no structured bindings
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    const auto data = counted_up(1 << 20);
    auto writer = pool.spawn([&, &to = one] {
      await(to.write_all(data));
      to.close();
    });
    auto reader = pool.spawn([&, &from = one] {
      std::byte rest[8];
      return await(from.read_some(rest));
    });
    REQUIRE(eventually([&] { return reader.state() == martlet::status::blocked; }));
    REQUIRE(eventually([&] { return writer.state() == martlet::status::blocked; }));
    other.shutdown_write();
    CHECK(pool.block_on(std::move(reader)) == 0);
    CHECK(pool.block_on(read_all(other, 1 << 16)) == data);
    pool.block_on(std::move(writer));
  }
}

}  // namespace
