#include <doctest/doctest.h>

#include <cstddef>
#include <optional>

#include <martlet/channel/channel.hpp>

#include "checker/explore.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"

// A channel carries addresses of plain data, so that a value which comes without what was written before it is a race.

using martlet::channel;
using martlet::try_status;
using namespace martlet::model;

namespace {

using letter = var<int>;

// Returns   false when the channel was found closed, or the wait was cancelled.
bool send(sleeper& self, channel<letter*>& to, letter& what, int text) {
  what.set(text);
  try {
    wait(self, to.send(&what));
    return true;
  } catch (const martlet::channel_closed&) {
    return false;
  } catch (const martlet::cancelled&) {
    return false;
  }
}

// Returns   what it read; 0 when the channel was found closed, or the wait was cancelled.
int receive(sleeper& self, channel<letter*>& from) {
  try {
    const std::optional<letter*> got = wait(self, from.receive());
    return got ? (*got)->get() : 0;
  } catch (const martlet::cancelled&) {
    return 0;
  }
}

void rendezvous() {
  crew all;
  sleeper sender(all), receiver(all);
  channel<letter*> line;
  letter one;
  run_threads({{"sender", [&] { require(send(sender, line, one, 1), "somebody receives"); }},
               {"receiver", [&] { require(receive(receiver, line) == 1, "a receiver reads what was sent"); }}});
  sender.end();
  receiver.end();
  require(line.balance() == 0, "nobody waits any more");
}

void meet_twice(std::size_t room) {
  crew all;
  sleeper sender(all), receiver(all);
  channel<letter*> line(room);
  letter one, two;
  run_threads({{"sender",
                [&] {
                  require(send(sender, line, one, 1), "somebody receives");
                  require(send(sender, line, two, 2), "somebody receives");
                }},
               {"receiver", [&] {
                  require(receive(receiver, line) == 1, "the first comes first");
                  require(receive(receiver, line) == 2, "the second comes second");
                }}});
  sender.end();
  receiver.end();
  require(line.balance() == 0, "nobody waits, and nothing is left");
}

void rendezvous_twice() { meet_twice(0); }
void buffer() { meet_twice(1); }

void two_receivers() {
  crew all;
  sleeper sender(all), first(all), second(all);
  channel<letter*> line;
  letter one;
  int got = 0, got_too = 0;
  run_threads({{"sender",
                [&] {
                  require(send(sender, line, one, 1), "somebody receives");
                  line.close();
                }},
               {"first", [&] { got = receive(first, line); }},
               {"second", [&] { got_too = receive(second, line); }}});
  require(got + got_too == 1, "one of two receivers gets what was sent, and the other one nothing");
  sender.end();
  first.end();
  second.end();
}

void close_and_receive() {
  crew all;
  sleeper receiver(all);
  channel<letter*> line;
  run_threads({{"closer", [&] { line.close(); }},
               {"receiver", [&] { require(receive(receiver, line) == 0, "nothing comes out of a closed channel"); }}});
  receiver.end();
}

void close_and_send() {
  crew all;
  sleeper sender(all);
  channel<letter*> line;
  letter one;
  run_threads({{"closer", [&] { line.close(); }},
               {"sender", [&] { require(!send(sender, line, one, 1), "nothing goes into a closed channel"); }}});
  sender.end();
  require(line.balance() == 0, "nobody waits any more");
}

// What was received before the cancel stays received.
void receive_and_cancel() {
  crew all;
  sleeper receiver(all);
  channel<letter*> line;
  letter one;
  int got = 0;
  bool is_sent = false;
  run_threads({{"receiver", [&] { got = receive(receiver, line); }},
               {"sender",
                [&] {
                  one.set(1);
                  letter* what = &one;
                  is_sent = line.try_send(what) == try_status::done;
                }},
               {"canceller", [&] { martlet::detail::request_cancel(&receiver); }}});
  receiver.end();
  require(is_sent == (got == 1), "what was sent is received");
  require(line.balance() == 0, "nobody waits any more");
}

}  // namespace

TEST_SUITE("channel") {
  TEST_CASE("what is sent is received once, in order, or the channel is closed") {
    check({
        {"a sender, a receiver", rendezvous, 36},
        {"a sender and a receiver that meet twice", rendezvous_twice, 2160},
        {"a sender and a receiver that meet twice, room for one", buffer, 1101},
        {"a sender that closes, two receivers", two_receivers, 93'801, martlet::testing::level::stress},
        {"a closer, a receiver", close_and_receive, 21},
        {"a closer, a sender", close_and_send, 21},
        {"a receiver, one that tries to send, a canceller", receive_and_cancel, 759'312,
         martlet::testing::level::thorough},
    });
  }
}
