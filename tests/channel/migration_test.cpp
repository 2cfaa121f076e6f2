#include <martlet/channel.hpp>

#include <exception>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

// Where a tasklet was before and after a wait, and whether what it had is still there.
struct trip {
  std::thread::id before;
  std::thread::id after;
  bool is_intact = false;
};

constexpr const char* long_text = "a text that is too long for the small buffer of a string";

task<> travels(channel<int>& in, trip& t) {
  const std::string text = long_text;
  const std::vector<int> numbers(100, 7);
  const double fraction = 0.1 * static_cast<double>(numbers.size());
  t.before = thread_now();
  const int got = *co_await in.receive();
  t.after = thread_now();
  t.is_intact = got == 5 && text == long_text && std::accumulate(numbers.begin(), numbers.end(), 0) == 700 &&
                fraction > 9.99 && fraction < 10.01;
}

void travels_in_fiber(channel<int>& in, trip& t) {
  const std::string text = long_text;
  volatile int on_stack[64];
  for (int i = 0; i < 64; ++i) {
    on_stack[i] = i;
  }
  t.before = thread_now();
  int got = 0;
  try {
    throw std::runtime_error("kept while away");
  } catch (const std::runtime_error& e) {
    got = *martlet::await(in.receive());  // what is caught belongs to the fiber, not to the thread
    t.is_intact = std::string(e.what()) == "kept while away";
  }
  t.after = thread_now();
  int sum = 0;
  for (const volatile int& n : on_stack) {
    sum += n;
  }
  t.is_intact = t.is_intact && got == 5 && sum == 2016 && text == long_text && std::uncaught_exceptions() == 0;
}

// Keeps both workers of a pool busy, each until it is let go.
class plugs {
 public:
  explicit plugs(scheduler& pool) {
    for (int i = 0; i < 2; ++i) {
      all_.push_back(pool.spawn([this] {
        const int me = inside_++;
        ids_[me] = thread_now();
        ++known_;
        while (!may_go_[me]) {
          std::this_thread::yield();
        }
      }));
    }
    REQUIRE(eventually([this] { return known_ == 2; }));
  }
  plugs(const plugs&) = delete;
  plugs& operator=(const plugs&) = delete;
  ~plugs() {
    may_go_[0] = may_go_[1] = true;
    for (auto& h : all_) {
      martlet::await(h.join());
    }
  }

  void let_go_all_but(std::thread::id worker) { may_go_[ids_[0] == worker ? 1 : 0] = true; }

 private:
  counter inside_{0};
  counter known_{0};
  std::thread::id ids_[2];
  martlet::base::atomic<bool> may_go_[2] = {false, false};
  std::vector<martlet::handle<>> all_;
};

// Parks a tasklet, then holds the worker that it parked on while it is woken: only the other one can take it.
template <class Spawn>
trip forced(scheduler& pool, Spawn spawn) {
  channel<int> c;
  trip t;
  auto traveller = spawn(c, t);
  REQUIRE(eventually([&] { return c.balance() == -1; }));
  {
    plugs both(pool);
    martlet::await(c.send(5));
    both.let_go_all_but(t.before);
    martlet::await(traveller.join());
  }
  return t;
}

TEST_SUITE("migration") {
  TEST_CASE("a tasklet that parked on one worker goes on on another, with its locals") {
    scheduler pool(2);
    for (int i = 0; i < 20; ++i) {
      const trip stackless = forced(pool, [&](channel<int>& c, trip& t) { return pool.spawn(travels(c, t)); });
      CHECK(stackless.is_intact);
      CHECK(stackless.before != stackless.after);
      const trip stackful =
          forced(pool, [&](channel<int>& c, trip& t) { return pool.spawn([&c, &t] { travels_in_fiber(c, t); }); });
      CHECK(stackful.is_intact);
      CHECK(stackful.before != stackful.after);
      const trip inside = forced(pool, [&](channel<int>& c, trip& t) {
        return pool.spawn([&c, &t] { martlet::await(travels(c, t)); });  // a fiber that awaits a task
      });
      CHECK(inside.is_intact);
      CHECK(inside.before != inside.after);
    }
  }

  TEST_CASE("exceptions in flight go along, also out of a destructor during unwinding") {
    scheduler pool(2);
    struct waits_in_destructor {
      channel<int>* in;
      trip* t;
      ~waits_in_destructor() {
        t->before = thread_now();
        static_cast<void>(martlet::await(in->receive()));
        t->after = thread_now();
        t->is_intact = std::uncaught_exceptions() == 1;
      }
    };
    for (int i = 0; i < 10; ++i) {
      bool caught = false;
      const trip t = forced(pool, [&](channel<int>& c, trip& where) {
        return pool.spawn([&c, &where, &caught] {
          try {
            const waits_in_destructor guard{&c, &where};
            throw std::runtime_error("in flight");
          } catch (const std::runtime_error& e) {
            caught = std::string(e.what()) == "in flight" && std::uncaught_exceptions() == 0;
          }
        });
      });
      CHECK(t.is_intact);
      CHECK(t.before != t.after);
      CHECK(caught);
    }
  }

  TEST_CASE("ping-pong of many pairs over two workers moves tasklets and loses nothing") {
    scheduler pool(2);
    counter moved{0};
    long total = 0;
    std::vector<martlet::handle<long>> all;
    constexpr int rounds = scaled(5000);
    std::vector<std::unique_ptr<channel<int>>> channels;
    for (int pair = 0; pair < 8; ++pair) {
      channels.push_back(std::make_unique<channel<int>>());
      channel<int>& c = *channels.back();
      pool.spawn([&c] {
        for (int i = 0; i < rounds; ++i) {
          martlet::await(c.send(1));
          if (i % 64 == 0) {
            martlet::await(martlet::yield());
          }
        }
        c.close();
      });
      all.push_back(pool.spawn([](channel<int>& in, counter& moves) -> task<long> {
        long sum = 0;
        auto last = thread_now();
        while (auto n = co_await in.receive()) {
          sum += *n;
          moves += thread_now() == last ? 0 : 1;
          last = thread_now();
        }
        co_return sum;
      }(c, moved)));
    }
    for (auto& h : all) {
      total += martlet::await(h.join());
    }
    CHECK(total == 8L * rounds);
    MESSAGE("went on on another worker ", moved.load(), " times");
  }
}

}  // namespace
