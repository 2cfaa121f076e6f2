#include <martlet/net/stream.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

#include <unistd.h>

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

task<> echo(stream peer) {
  std::array<std::byte, 256> buffer;
  while (const std::size_t count = co_await peer.read_some(buffer)) {
    co_await peer.write_all(std::span(buffer).first(count));
  }
}

void echo_in_fiber(stream& peer) {
  std::array<std::byte, 256> buffer;
  while (const std::size_t count = await(peer.read_some(buffer))) {
    await(peer.write_all(std::span(buffer).first(count)));
  }
}

std::string ask(stream& server, std::string_view question) {
  await(server.write_all(bytes(question)));
  std::string answer(question.size(), '\0');
  for (std::size_t have = 0; have < answer.size();) {
    const std::size_t more = await(server.read_some(std::as_writable_bytes(std::span(answer).subspan(have))));
    REQUIRE(more != 0);
    have += more;
  }
  return answer;
}

std::vector<std::byte> much(std::size_t size) {
  std::vector<std::byte> data(size);
  std::uint32_t value = 1;
  for (std::byte& b : data) {
    value = value * 1664525 + 1013904223;
    b = static_cast<std::byte>(value >> 24);
  }
  return data;
}

TEST_SUITE("stream") {
  TEST_CASE("coroutines, fibers and threads talk to each other") {
    scheduler pool(2);
    listener door(endpoint::localhost(0));
    const endpoint there = door.local_endpoint();
    auto server = pool.spawn([&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        martlet::spawn(echo(co_await door.accept()));
      }
    });
    auto fiber = pool.spawn([&] {
      stream to = await(martlet::net::connect(there));
      return ask(to, "from a fiber");
    });
    auto coroutine = pool.spawn([&]() -> task<std::string> {
      stream to = co_await martlet::net::connect(there);
      co_await to.write_all(bytes("from a coroutine"));
      co_return co_await read_text(to, 16);
    });
    stream to = await(martlet::net::connect(there));
    CHECK(ask(to, "from a thread") == "from a thread");
    CHECK(ask(to, "and again") == "and again");
    CHECK(pool.block_on(std::move(fiber)) == "from a fiber");
    CHECK(pool.block_on(std::move(coroutine)) == "from a coroutine");
    pool.block_on(std::move(server));
  }

  TEST_CASE("a fiber serves what a coroutine asks") {
    scheduler pool(2);
    listener door(endpoint::localhost(0));
    auto server = pool.spawn([&] {
      stream peer = await(door.accept());
      echo_in_fiber(peer);
    });
    pool.block_on([](endpoint there) -> task<> {
      stream to = co_await martlet::net::connect(there);
      for (int i = 0; i < 100; ++i) {
        const std::string question = "question " + std::to_string(i);
        co_await to.write_all(bytes(question));
        CHECK(co_await read_text(to, question.size()) == question);
      }
    }(door.local_endpoint()));
    pool.block_on(std::move(server));
  }

  TEST_CASE("plain threads need no scheduler") {
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    std::thread partner([peer = std::move(other)]() mutable { echo_in_fiber(peer); });
    CHECK(ask(one, "hello") == "hello");
    one.shutdown_write();
    partner.join();
  }

  TEST_CASE("much is written to a reader that is slow, and arrives in order") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    const std::vector<std::byte> data = much(static_cast<std::size_t>(scaled(1'000'000)));
    auto writer = pool.spawn([&]() -> task<std::size_t> {
      const std::size_t written = co_await one.write_all(data);
      one.shutdown_write();
      co_return written;
    });
    auto reader = pool.spawn([&]() -> task<std::vector<std::byte>> {
      std::vector<std::byte> got;
      std::array<std::byte, 1500> buffer;
      for (int i = 0; std::size_t n = co_await other.read_some(buffer); ++i) {
        got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
        if (i % 100 == 0) {
          co_await martlet::sleep_for(200us);
        }
      }
      co_return got;
    });
    CHECK(pool.block_on(std::move(writer)) == data.size());
    const bool is_same = pool.block_on(std::move(reader)) == data;
    CHECK(is_same);
  }

  TEST_CASE("write_some writes a part when the kernel takes no more, and waits when it takes nothing") {
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    const std::vector<std::byte> data = much(4'000'000);
    const std::size_t first = await(one.write_some(data));
    CHECK(first > 0);
    CHECK(first < data.size());
    std::size_t sent = first;
    try {
      for (;;) {
        sent += await(martlet::within(100ms, one.write_some(data)));
      }
    } catch (const martlet::deadline_passed&) {}
    std::vector<std::byte> buffer(sent);
    std::size_t got = 0;
    while (got < sent) {
      got += await(other.read_some(std::span(buffer).subspan(got)));
    }
    CHECK(await(one.write_some(data)) > 0);
  }

  TEST_CASE("pieces are written as one, empty ones and very many of them too") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    keep_little(one, other);
    std::vector<std::string> texts;
    std::string whole;
    for (int i = 0; i < 3000; ++i) {
      texts.push_back(i % 7 == 0 ? "" : std::to_string(i) + ",");
      whole += texts.back();
    }
    std::vector<std::span<const std::byte>> pieces;
    for (const std::string& text : texts) {
      pieces.push_back(bytes(text));
    }
    auto reader = pool.spawn(read_text(other, whole.size() + 1));
    CHECK(await(one.write_all(martlet::net::pieces(pieces))) == whole.size());
    one.shutdown_write();
    CHECK(pool.block_on(std::move(reader)) == whole);
    CHECK(await(other.write_all(martlet::net::pieces())) == 0);
  }

  TEST_CASE("each direction ends by itself") {
    scheduler pool(2);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    auto server = pool.spawn([&]() -> task<> {
      const std::string question = co_await read_text(other, 1000);
      co_await other.write_all(bytes("you said " + question));
      other.close();
    });
    await(one.write_all(bytes("this")));
    one.shutdown_write();
    pool.block_on(std::move(server));
    CHECK(pool.block_on(read_text(one, 1000)) == "you said this");
    std::array<std::byte, 8> rest;
    CHECK(await(one.read_some(rest)) == 0);
    CHECK(await(one.read_some(rest)) == 0);
    CHECK(await(one.read_some({})) == 0);
  }

  TEST_CASE("an end that comes together with the last bytes is seen") {
    scheduler pool(2);
    listener door(endpoint::localhost(0));
    const int rounds = by_level(500, 20'000);
    auto server = pool.spawn([&]() -> task<> {
      for (int i = 0; i < rounds; ++i) {
        stream peer = co_await door.accept();
        co_await read_text(peer, 1);
        co_await peer.write_all(bytes("bye"));
      }
    });
    pool.block_on([](endpoint there, int count) -> task<> {
      for (int i = 0; i < count; ++i) {
        stream to = co_await martlet::net::connect(there);
        co_await to.write_all(bytes("x"));
        const std::string all = co_await read_text(to, 100);
        CHECK(all == "bye");
      }
    }(door.local_endpoint(), rounds));
    pool.block_on(std::move(server));
  }

  TEST_CASE("readable waits for bytes or the end and takes nothing") {
    scheduler pool(1);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    auto reader = pool.spawn([&]() -> task<std::string> {
      co_await other.readable();
      co_await other.readable();
      const std::string first = co_await read_text(other, 3);
      co_await other.readable();
      co_return first + co_await read_text(other, 1);
    });
    CHECK(eventually([&] { return reader.state() == martlet::status::blocked; }));
    await(one.write_all(bytes("abc")));
    one.shutdown_write();
    CHECK(pool.block_on(std::move(reader)) == "abc");
  }

  TEST_CASE("those who read at once are served in the order in which they came") {
    scheduler pool(1);
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    std::vector<martlet::handle<std::string>> readers;
    for (int i = 0; i < 3; ++i) {
      readers.push_back(pool.spawn(read_text(other, 1)));
      CHECK(eventually([&] { return readers.back().state() == martlet::status::blocked; }));
    }
    await(one.write_all(bytes("abc")));
    CHECK(pool.block_on(std::move(readers[0])) == "a");
    CHECK(pool.block_on(std::move(readers[1])) == "b");
    CHECK(pool.block_on(std::move(readers[2])) == "c");
  }

  TEST_CASE("a broken connection is an error with a sentence") {
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    reset_on_close(other);
    other.close();
    std::array<std::byte, 8> buffer;
    CHECK(thrown_by<std::system_error>([&] { await(one.read_some(buffer)); }) ==
          "read: the other side broke the connection off: Connection reset by peer");
    CHECK(thrown_by<std::system_error>([&] { await(one.write_all(bytes("x"))); }) ==
          "write: the other side has closed the connection, or shutdown_write was called here: Broken pipe");
  }

  TEST_CASE("a connection that nobody accepts is refused with a sentence") {
    endpoint nobody;
    { nobody = listener(endpoint::localhost(0)).local_endpoint(); }
    scheduler pool(1);
    const std::string expected = "connect to " + nobody.to_string() + ": nobody listens there: Connection refused";
    CHECK(thrown_by<std::system_error>([&] { await(martlet::net::connect(nobody)); }) == expected);
    CHECK(pool.block_on([](endpoint to) -> task<std::string> {
      try {
        co_await martlet::net::connect(to);
      } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::connection_refused);
        co_return error.what();
      }
      co_return "nothing";
    }(nobody)) == expected);
  }

  TEST_CASE("a stream knows its ends, and small writes are not held back") {
    listener door(endpoint::localhost(0));
    stream one = await(martlet::net::connect(door.local_endpoint()));
    stream other = await(door.accept());
    CHECK(one.remote_endpoint() == door.local_endpoint());
    CHECK(one.local_endpoint() == other.remote_endpoint());
    for (stream* s : {&one, &other}) {
      int on = 0;
      socklen_t size = sizeof on;
      ::getsockopt(s->native_handle(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, &size);
      CHECK(on != 0);
    }
    one.no_delay(false);
    one.no_delay(true);
  }

  TEST_CASE("Unix sockets work as TCP does") {
    const std::string path = "/tmp/martlet-stream-test-" + std::to_string(::getpid());
    ::unlink(path.c_str());
    scheduler pool(2);
    {
      listener door(endpoint::unix_path(path));
      pool.spawn([&]() -> task<> { co_await echo(co_await door.accept()); });
      stream to = await(martlet::net::connect(endpoint::parse("unix:" + path)));
      CHECK(ask(to, "over a path") == "over a path");
    }
    CHECK(thrown_by<std::system_error>([&] { listener again(endpoint::unix_path(path)); }).find("remove it") !=
          std::string::npos);
    ::unlink(path.c_str());
  }

  TEST_CASE(
      "a connect to a Unix listener whose queue is full says so instead of waiting for an event that never comes") {
    const std::string path = "/tmp/martlet-full-test-" + std::to_string(::getpid());
    ::unlink(path.c_str());
    listener door(endpoint::unix_path(path), {.backlog = 1});
    std::vector<stream> queued;
    std::string refused = "nothing";
    for (int i = 0; i < 10 && refused == "nothing"; ++i) {
      refused = thrown_by<std::system_error>([&] {
        queued.push_back(await(martlet::net::connect(endpoint::unix_path(path))));
      });
    }
    CAPTURE(refused);
    CHECK(refused.find("queue of a Unix listener is full") != std::string::npos);
    CHECK(!queued.empty());
    ::unlink(path.c_str());
  }

  TEST_CASE("a moved stream goes on, and an assigned one closes what it had") {
    auto pair = connected();
    stream& one = pair.first;
    stream& other = pair.second;
    stream moved = std::move(one);
    CHECK_FALSE(one.is_open());
    CHECK(moved.is_open());
    await(moved.write_all(bytes("hi")));
    moved = stream();
    CHECK_FALSE(moved.is_open());
    CHECK(moved.native_handle() == -1);
    std::array<std::byte, 8> buffer;
    CHECK(await(other.read_some(buffer)) == 2);
    CHECK(await(other.read_some(buffer)) == 0);
  }
}

}  // namespace
