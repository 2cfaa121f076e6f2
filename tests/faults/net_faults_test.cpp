#include <martlet/net.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include "afterwards.hpp"
#include "scale.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::net::endpoint;
using martlet::net::listener;
using martlet::net::stream;

// Sends a text from one end to the other and back.
void talk(stream& one, stream& other) {
  std::array<std::byte, 64> buffer;
  await(one.write_all(bytes("a question")));
  std::size_t count = await(other.read_some(buffer));
  expect(text_of(std::span(buffer).first(count)) == "a question", "the question arrives");
  await(other.write_all(bytes("an answer")));
  count = await(one.read_some(buffer));
  expect(text_of(std::span(buffer).first(count)) == "an answer", "the answer arrives");
}

void meet_and_talk() {
  listener door(endpoint::localhost(0));
  stream one = await(martlet::net::connect(door.local_endpoint()));
  stream other = await(door.accept());
  talk(one, other);
}

// Waits for a connection twice: the first time is refused something, if anything is.
//
// Returns   whether the first time was refused.
bool accept_again(refusal& now, listener& door, std::optional<stream>& accepted) {
  const bool is_refused = now.refuses([&] { accepted.emplace(await(door.accept())); });
  expect(is_refused == !accepted.has_value(), "it was refused, or gave a stream");
  if (is_refused) {
    accepted.emplace(await(door.accept()));
  }
  return is_refused;
}

void accepts_what_waited(refusal& now) {
  listener door(endpoint::localhost(0));
  std::optional<stream> one;
  stream caller = await(martlet::net::connect(door.local_endpoint()));
  accept_again(now, door, one);
  expect(one->remote_endpoint() == caller.local_endpoint(), "the connection that was refused is accepted later");
  talk(caller, *one);
}

TEST_SUITE("faults of sockets") {
  TEST_CASE("a thread that listens, connects, accepts, writes and reads is told of a lack of memory") {
    const long count = refuse_each(resource::memory, [](refusal& now) {
      now.refuses(meet_and_talk);
      meet_and_talk();
    });
    CHECK(count > 2);
  }

  TEST_CASE("so is a fiber, and its worker goes on") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      pool.block_on(pool.spawn([&] {
        now.refuses(meet_and_talk);
        meet_and_talk();
      }));
    });
    CHECK(count > 1);
  }

  TEST_CASE("a connection for which there was no memory is there for the next accept") {
    const long count = refuse_each(resource::memory, [](refusal& now) {
      std::array<stream, 61> others;  // descriptors come in blocks of 64, and this one is the last of its block
      listener unused(endpoint::localhost(0));
      for (stream& other : others) {
        other = stream(martlet::detail::socket::open(AF_INET));
      }
      accepts_what_waited(now);
    });
    CHECK(count > 0);
  }

  TEST_CASE("a process without descriptors is told so everywhere, and a connection waits meanwhile") {
    for (const int error : {EMFILE, ENFILE}) {
      const long in_all = refuse_each(
          resource::descriptors,
          [](refusal& now) {
            now.refuses(meet_and_talk);
            meet_and_talk();
          },
          error);
      CHECK(in_all >= 4);
      CHECK(refuse_each(resource::descriptors, accepts_what_waited, error) >= 1);
    }
  }

  TEST_CASE("a worker for whose sockets there is no epoll says so to who waits, and tries again") {
    const long count = refuse_each(resource::descriptors, [](refusal& now) {
      scheduler pool(1);
      pool.block_on(pool.spawn([&] {
        now.refuses(meet_and_talk);
        meet_and_talk();
      }));
      expect_goes_on(pool);
    });
    CHECK(count >= 4);
  }

  TEST_CASE("a scheduler and a guest start, or say that there are no descriptors") {
    refuse_each(resource::descriptors, [](refusal& now) {
      now.refuses([] { scheduler pool(2); });
      scheduler pool({.workers = 0, .lent_threads = 1});
      now.refuses([&] { martlet::guest one(pool); });
      martlet::guest one(pool);
      expect(one.event_fd() >= 0, "a guest can be made afterwards");
    });
  }
}

}  // namespace
