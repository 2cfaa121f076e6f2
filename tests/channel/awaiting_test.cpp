#include <martlet/channel.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "counted.hpp"
#include "scale.hpp"

/// Each value that is made is destroyed once, in every form of awaiting.
///
/// One coroutine a form, so that a compiler that gets one wrong is told by its name.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;
using counted_channel = channel<counted>;

task<counted> makes(tally& all, int n) { co_return counted(all, n); }
task<counted> passes(counted value) { co_return std::move(value); }
task<> fails(counted) {
  throw std::runtime_error("with a value in hand");
  co_return;
}
int value_of(const counted& a) { return a.value(); }
int value_of(std::optional<counted> a) { return a ? a->value() : 0; }
int sum_of(std::optional<counted> a, const counted& b) { return a->value() + b.value(); }

task<int> prvalue(tally& all, counted_channel& c) {
  co_await c.send(counted(all, 1));
  co_return (co_await c.receive())->value();
}
task<int> lvalue(tally& all, counted_channel& c) {
  auto send = c.send(counted(all, 2));
  co_await send;
  auto receive = c.receive();
  const auto got = co_await receive;
  co_return got->value();
}
task<int> xvalue(tally& all, counted_channel& c) {
  auto send = c.send(counted(all, 3));
  co_await std::move(send);
  auto receive = c.receive();
  co_return (co_await std::move(receive))->value();
}
task<int> in_condition(tally& all, counted_channel& c) {
  co_await c.send(counted(all, 4));
  if (auto got = co_await c.receive()) {
    co_return got->value();
  }
  co_return 0;
}
task<int> in_loop(tally& all, counted_channel& c) {
  int sum = 0;
  for (int i = 0; i < 5; ++i) {
    co_await c.send(counted(all, 1));
    sum += (co_await c.receive())->value();
  }
  c.close();
  while (auto got = co_await c.receive()) {
    sum += got->value();
  }
  co_return sum;
}
task<int> as_argument(tally& all, counted_channel& c) {
  co_await c.send(counted(all, 6));
  co_return value_of(co_await c.receive());
}
task<int> as_arguments(tally& all, counted_channel& c) {
  co_await c.send(counted(all, 3));
  co_return sum_of(co_await c.receive(), co_await makes(all, 4));
}
task<int> of_a_task(tally& all, counted_channel&) {
  const counted kept = co_await makes(all, 3);
  auto later = makes(all, 1);
  co_return kept.value() + value_of(co_await std::move(later)) + (co_await passes(counted(all, 4))).value();
}
task<int> of_a_join(tally& all, counted_channel&) {
  auto h = martlet::spawn(makes(all, 4));
  auto f = martlet::spawn([&all] { return counted(all, 5); });
  const counted one = co_await h.join();
  co_return one.value() + (co_await std::move(f)).value();
}
task<int> in_select(tally& all, counted_channel& c) {
  static_cast<void>(co_await martlet::select(c.send(counted(all, 5)), martlet::sleep_for(1h)));
  auto first = co_await martlet::select(c.receive(), martlet::sleep_for(1h));
  int sum = std::get<0>(first)->value();
  first = co_await martlet::select(c.receive(), martlet::sleep_for(1ms));
  co_return sum + (first.index() == 1 ? 5 : 0);
}
task<int> in_within(tally& all, counted_channel& c) {
  co_await martlet::within(1h, c.send(counted(all, 5)));
  int sum = (co_await martlet::within(1h, c.receive()))->value();
  try {
    co_await c.send(counted(all, 0));
    co_await martlet::within(1ms, c.send(counted(all, 1)));
  } catch (const martlet::deadline_passed&) {
    sum += 6;
  }
  co_return sum;
}
task<int> thrown(tally& all, counted_channel& c) {
  int sum = 0;
  try {
    co_await fails(counted(all, 1));
  } catch (const std::runtime_error&) {
    sum += 6;
  }
  c.close();
  try {
    co_await c.send(counted(all, 2));
  } catch (const martlet::channel_closed&) {
    sum += 6;
  }
  co_return sum;
}
task<int> never_awaited(tally& all, counted_channel& c) {
  {
    const auto send = c.send(counted(all, 1));
    const auto part = passes(counted(all, 2));
  }
  co_return 13;
}

using form = task<int> (*)(tally&, counted_channel&);
struct expectation {
  const char* name;
  form body;
  int sum;
};
constexpr expectation forms[] = {
    {"a prvalue", prvalue, 1},
    {"an lvalue", lvalue, 2},
    {"an xvalue", xvalue, 3},
    {"in a condition", in_condition, 4},
    {"in a loop", in_loop, 5},
    {"as an argument", as_argument, 6},
    {"as arguments", as_arguments, 7},
    {"of a task", of_a_task, 8},
    {"of a join", of_a_join, 9},
    {"in a select", in_select, 10},
    {"in within", in_within, 11},
    {"thrown", thrown, 12},
    {"never awaited", never_awaited, 13},
};

TEST_SUITE("awaiting") {
  TEST_CASE("each value that is made is destroyed once, in every form, in coroutines and what a fiber awaits") {
    scheduler pool(2);
    for (const expectation& form : forms) {
      CAPTURE(form.name);
      tally all;
      {
        counted_channel c(1);
        CHECK(pool.block_on(form.body(all, c)) == form.sum);
      }
      {
        counted_channel c(1);
        CHECK(pool.block_on(pool.spawn([&] { return martlet::await(form.body(all, c)); })) == form.sum);
      }
      CHECK(all.is_balanced());
      CHECK(all.copied == 0);
    }
  }

  TEST_CASE("a value that waits in a rendezvous moves once, from the sender to the receiver") {
    scheduler pool(1);
    tally all;
    counted_channel c;
    auto got = pool.spawn([&c]() -> task<int> { co_return (co_await c.receive())->value(); });
    martlet::await(c.send(counted(all, 7)));
    CHECK(pool.block_on(std::move(got)) == 7);
    CHECK(all.is_balanced());
    CHECK(all.copied == 0);
  }

  TEST_CASE("fibers and threads make and destroy alike") {
    scheduler pool(1);
    tally all;
    const auto blocking = [&all] {
      counted_channel c(1);
      martlet::await(c.send(counted(all, 1)));
      int sum = martlet::await(c.receive())->value();
      auto send = c.send(counted(all, 2));
      martlet::await(send);
      sum += value_of(martlet::await(c.receive()));
      static_cast<void>(martlet::await(martlet::select(c.send(counted(all, 3)), martlet::sleep_for(1h))));
      if (auto last = martlet::await(martlet::within(1h, c.receive()))) {
        sum += last->value();
      }
      martlet::await(c.send(counted(all, 4)));
      return sum;
    };
    CHECK(blocking() == 6);
    CHECK(pool.block_on(pool.spawn(blocking)) == 6);
    CHECK(all.is_balanced());
    CHECK(all.copied == 0);
  }
}

}  // namespace
