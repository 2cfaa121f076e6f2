#include <doctest/doctest.h>

#include <optional>
#include <variant>

#include <martlet/channel/channel.hpp>
#include <martlet/channel/select.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"

using martlet::channel;
using martlet::select;
using martlet::try_status;
using namespace martlet::model;

namespace {

using letter = var<int>;

// What a select over two receives has found: which, and what it read there; 0 for a closed channel.
struct found {
  int which = -1;  // cancelled
  int text = 0;

  bool operator==(const found&) const = default;
};

found receive_either(sleeper& self, channel<letter*>& one, channel<letter*>& other) {
  try {
    const auto first = wait(self, select(one.receive(), other.receive()));
    return std::visit(
        [&](const std::optional<letter*>& got) {
          return found{static_cast<int>(first.index()), got ? (*got)->get() : 0};
        },
        first);
  } catch (const martlet::cancelled&) {
    return {};
  }
}

// Returns   whether somebody got it.
bool try_send(channel<letter*>& to, letter& what, int text) {
  what.set(text);
  letter* address = &what;
  return to.try_send(address) == try_status::done;
}

void two_closers() {
  crew all;
  sleeper self(all);
  channel<letter*> one, other;
  found got;
  run_threads({{"selects", [&] { got = receive_either(self, one, other); }},
               {"closes one", [&] { one.close(); }},
               {"closes the other", [&] { other.close(); }}});
  self.end();
  require(got.which >= 0 && got.text == 0, "one of the channels was found closed");
}

void closer_and_canceller() {
  crew all;
  sleeper self(all);
  channel<letter*> one, other;
  run_threads({{"selects",
                [&] {
                  const found got = receive_either(self, one, other);
                  require(got.which != 1, "the other channel has nothing");
                }},
               {"closes one", [&] { one.close(); }},
               {"cancels", [&] { martlet::detail::request_cancel(&self); }}});
  self.end();
  require(one.balance() == 0 && other.balance() == 0, "nobody waits any more");
}

void canceller() {
  crew all;
  sleeper self(all);
  channel<letter*> one, other;
  run_threads({{"selects", [&] { require(receive_either(self, one, other) == found{}, "nobody sends"); }},
               {"cancels", [&] { martlet::detail::request_cancel(&self); }}});
  self.end();
  require(one.balance() == 0 && other.balance() == 0, "nobody waits any more");
}

// The canceller may have found the first wait, and claim the second, which others have published.
void canceller_of_the_next() {
  crew all;
  sleeper self(all);
  channel<letter*> one, other, never, neither;
  run_threads({{"selects",
                [&] {
                  receive_either(self, one, other);
                  require(receive_either(self, never, neither) == found{}, "nobody sends");
                }},
               {"closes one", [&] { one.close(); }},
               {"cancels", [&] { martlet::detail::request_cancel(&self); }}});
  self.end();
}

// What is sent while the select waits is received, and what it has not taken stays with its sender.
void sender_and_closer() {
  crew all;
  sleeper self(all);
  channel<letter*> one, other;
  letter what;
  found got;
  bool is_sent = false;
  run_threads({{"selects", [&] { got = receive_either(self, one, other); }},
               {"sends", [&] { is_sent = try_send(one, what, 7); }},
               {"closes the other", [&] { other.close(); }}});
  self.end();
  require(is_sent ? got == found{0, 7} : got == found{1, 0}, "what was sent is received, and nothing else is done");
  require(one.balance() == 0, "nobody waits any more");
}

void two_senders() {
  crew all;
  sleeper self(all);
  channel<letter*> one, other;
  letter first, second;
  found got;
  bool is_sent = false, is_sent_too = false;
  run_threads({{"selects", [&] { got = receive_either(self, one, other); }}, {"sends", [&] {
                                                                                is_sent = try_send(one, first, 1);
                                                                                is_sent_too =
                                                                                    try_send(other, second, 2);
                                                                                one.close();
                                                                              }}});
  self.end();
  require(!(is_sent && is_sent_too), "one case is done");
  require(got == (is_sent ? found{0, 1} : is_sent_too ? found{1, 2} : found{0, 0}), "it is the one that is told");
}

// Each could do what the other waits for, in either channel.
void crosswise() {
  crew all;
  sleeper left(all), right(all);
  channel<letter*> one, other;
  letter from_left, from_right;
  int in_left = -1, in_right = -1;
  const auto exchange = [](sleeper& self, channel<letter*>& to, channel<letter*>& from, letter& mine) {
    mine.set(1);
    const auto done = wait(self, select(to.send(&mine), from.receive()));
    if (done.index() == 1) {
      require(std::get<1>(done) && (*std::get<1>(done))->get() == 1, "who receives reads what was sent");
    }
    return static_cast<int>(done.index());
  };
  run_threads({{"left", [&] { in_left = exchange(left, one, other, from_left); }},
               {"right", [&] { in_right = exchange(right, other, one, from_right); }}});
  left.end();
  right.end();
  require(in_left + in_right == 1, "one sends and the other one receives");
  require(one.balance() == 0 && other.balance() == 0, "nobody waits any more");
}

}  // namespace

TEST_SUITE("select") {
  TEST_CASE("one case is done, the one that is told, or the wait is cancelled") {
    check({
        {"a select, a canceller", canceller, 69},
        {"a select, two closers", two_closers, 2987},
        {"a select, one that closes, a canceller", closer_and_canceller, 3656},
        {"two selects, one that closes for the first, a canceller", canceller_of_the_next, 0},
        {"a select, one that tries to send, one that closes", sender_and_closer, 3026},
        {"a select, one that tries to send to both", two_senders, 1795},
    });
  }

  TEST_CASE("two selects that meet crosswise do so in one channel") { check({{"two selects", crosswise, 168}}); }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({canceller, two_senders, crosswise, {canceller_of_the_next, {.seed = 1, .most = 20'000}}},
                            {"select.cpp", "[select.claim]", "claim_root"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
