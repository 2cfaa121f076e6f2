#include <martlet/scheduler/scheduler.hpp>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "event_loop.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::misuse;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

constexpr int failed = 9;

// In a child: leaves at once when `call` does not throw `misuse` with these words.
template <class Call>
void expect_misuse(const char* words, Call call) {
  try {
    call();
  } catch (const misuse& e) {
    if (std::string(e.what()).find(words) != std::string::npos) {
      return;
    }
    std::fprintf(stderr, "said: %s\n", e.what());
  } catch (...) {}
  std::fprintf(stderr, "expected: %s\n", words);
  ::_exit(failed);
}
void expect(bool claim, const char* what) {
  if (!claim) {
    std::fprintf(stderr, "not so: %s\n", what);
    ::_exit(failed);
  }
}

template <class F>
child_end in_limited_child(F body) {
  return in_child([&] {
    ::alarm(is_watched ? 20 : 5);  // a hang is the end of it
    body();
  });
}

task<> receives(channel<int>& in) { co_await in.receive(); }

// TSan starts no thread in the child of a process with threads.
constexpr bool starts_threads_in_children = MARTLET_TSAN == 0;

TEST_SUITE("fork") {
  TEST_CASE("every call on a scheduler of the parent is refused in the child, at once") {
    for (const int workers : {1, 2}) {
      auto pool = std::make_unique<scheduler>(workers);
      channel<int> c;
      auto waits = pool->spawn(receives(c));
      auto sleeps = pool->spawn([] { martlet::await(martlet::sleep_for(1h)); });
      auto done = pool->spawn([] { return 4; });
      REQUIRE(eventually([&] {
        return c.balance() == -1 && pool->statistics().ended == 1 && sleeps.state() == status::blocked;
      }));
      martlet::scope group(*pool);
      const child_end end = in_limited_child([&] {
        const char* words = "made by the parent";
        expect_misuse(words, [&] { pool->spawn(receives(c)); });
        expect_misuse(words, [&] { pool->spawn([] {}); });
        expect_misuse(words, [&] { group.spawn([] {}); });
        expect_misuse(words, [&] { pool->block_on(std::move(waits)); });
        expect_misuse(words, [&] { pool->block_on(receives(c)); });
        expect_misuse(words, [&] { pool->run_here(receives(c)); });
        expect_misuse(words, [&] { pool->stop(); });
        expect_misuse(words, [&] { pool->shutdown(1h); });
        expect_misuse(words, [&] { martlet::guest host(*pool); });
        expect(pool->worker_count() == static_cast<unsigned>(workers), "it still knows its width");
        expect(pool->statistics().ended == 1, "it still knows what it did");
        pool.reset();
      });
      INFO(end.status, " ", end.errors);
      CHECK(end.exited_with(0));
      CHECK(end.errors.empty());
      c.close();
      sleeps.cancel();
      pool->block_on(std::move(waits));
    }
  }

  TEST_CASE("the tasklets of the parent are no partners in the child: what would wait for them for ever says so") {
    scheduler pool(1);
    channel<int> empty, filled(2);
    auto receiver = pool.spawn(receives(empty));
    auto selects = pool.spawn([](channel<int>& a, channel<int>& b) -> task<> {
      co_await martlet::select(a.receive(), b.receive());
    }(empty, empty));
    auto sender = pool.spawn([&filled] {
      for (;;) {
        martlet::await(filled.send(1));
      }
    });
    REQUIRE(eventually([&] {
      return receiver.state() == status::blocked && selects.state() == status::blocked &&
             sender.state() == status::blocked;
    }));
    const child_end end = in_limited_child([&] {
      const char* words = "would never end";
      int one = 1;
      expect(empty.try_send(one) == martlet::try_status::would_wait, "nobody receives");
      expect_misuse(words, [&] { martlet::await(empty.send(1)); });
      expect_misuse(words, [&] { martlet::await(empty.receive()); });
      expect_misuse(words, [&] { martlet::await(martlet::select(empty.receive(), empty.send(1))); });
      expect(martlet::await(filled.receive()) == 1, "what was in the buffer is in the copy");
      expect(martlet::await(filled.receive()) == 1, "all of it");
      expect_misuse(words, [&] { martlet::await(filled.receive()); });
      expect_misuse("the tasklet stayed in the parent", [&] { martlet::await(receiver.join()); });
      expect(empty.balance() == 0, "what was refused does not wait");
      bool timed_out = false;
      try {
        martlet::await(martlet::within(1ms, empty.receive()));
      } catch (const martlet::deadline_passed&) {
        timed_out = true;
      }
      expect(timed_out, "a time limit is an end");
      martlet::await(martlet::sleep_for(1ms));
      sender.cancel();
      empty.close();
      expect(!martlet::await(empty.receive()), "closed");
      expect(empty.is_closed(), "closed");
      receiver = {};  // dropped
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors.empty());
    sender.cancel();
    empty.close();
    pool.block_on(std::move(receiver));
    pool.block_on(std::move(selects));
    CHECK_THROWS_AS(pool.block_on(std::move(sender)), martlet::cancelled);
  }

  TEST_CASE("a handle may be dropped in the child, and its result taken, whoever was in its join in the parent") {
    scheduler pool(1);
    scheduler others(1);
    channel<int> go;
    std::vector<martlet::handle<int>> ended;
    std::vector<martlet::handle<>> in_join;
    for (int i = 0; i < 2; ++i) {
      ended.push_back(pool.spawn([&go]() -> task<int> { co_return (co_await go.receive()).value(); }));
    }
    for (auto& one : ended) {
      in_join.push_back(others.spawn([&one]() -> task<> { CHECK(co_await one.join() == 7); }));
    }
    REQUIRE(eventually([&] { return in_join[0].state() == status::blocked && in_join[1].state() == status::blocked; }));
    counter is_held{0};
    counter lets_go{0};
    others.spawn([&] {  // until then those in a join get no turn
      is_held = 1;
      while (lets_go == 0) {
        std::this_thread::yield();
      }
    });
    REQUIRE(eventually([&] { return is_held == 1; }));
    for (const auto& one : ended) {
      martlet::await(go.send(7));
      REQUIRE(eventually([&] { return one.state() == status::done; }));
    }
    const child_end end = in_limited_child([&] {
      ended[0] = {};
      expect(martlet::await(ended[1].join()) == 7, "the result is in the copy");
      expect_misuse("was joined before", [&] { martlet::await(ended[1].join()); });
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors.empty());
    lets_go = 1;
    for (auto& one : in_join) {
      others.block_on(std::move(one));
    }
  }

  TEST_CASE("a new scheduler in the child works, and its children's too" * doctest::skip(!starts_threads_in_children)) {
    scheduler pool(2);
    channel<int> old;
    auto waits = pool.spawn(receives(old));
    auto waits_too = pool.spawn(receives(old));
    REQUIRE(eventually([&] { return old.balance() == -2; }));
    const auto everything = [](int workers) {
      scheduler fresh(workers);
      channel<int> c;
      auto sum = fresh.spawn([](channel<int>& in) -> task<int> {
        int all = 0;
        for (;;) {
          const auto value = co_await martlet::within(10s, in.receive());
          if (!value) {
            co_return all;
          }
          all += *value;
        }
      }(c));
      fresh.spawn([&c] {
        for (int i = 0; i < 100; ++i) {
          martlet::await(c.send(i));
          if (i % 10 == 0) {
            martlet::await(martlet::sleep_for(100us));
          }
        }
        c.close();
      });
      expect(fresh.block_on(std::move(sum)) == 4950, "tasklets, channels and timers work");
      expect(fresh.run_here([]() -> task<int> { co_return 1; }()) == 1, "run_here works");
    };
    const child_end end = in_limited_child([&] {
      everything(2);
      scheduler mine(1);
      const char* words = "the tasklet stayed in the parent";
      mine.block_on(mine.spawn([&]() -> task<> {
        expect_misuse(words, [&] { static_cast<void>(waits.join()); });
        co_return;
      }));
      expect_misuse(words, [&] { mine.block_on(std::move(waits)); });
      expect_misuse(words, [&] { mine.run_here(std::move(waits_too)); });
      const child_end grandchild = in_child([&] {
        expect_misuse("made by the parent", [&] { mine.spawn([] {}); });
        expect_misuse("made by the parent", [&] { pool.spawn([] {}); });
        everything(1);
      });
      expect(grandchild.exited_with(0), grandchild.errors.c_str());
      mine.block_on([]() -> task<> { co_await martlet::sleep_for(1ms); }());
    });
    CHECK(end.exited_with(0));
    CHECK(end.errors.empty());
    old.close();
    pool.block_on(std::move(waits));
    pool.block_on(std::move(waits_too));
    everything(2);
  }

  // The allocator of g++ 12's ASan is not kept whole over a fork: a child may wait for its locks for ever.
  TEST_CASE("a fork in the middle of everything leaves nothing locked in the child" *
            doctest::skip(MARTLET_ASAN != 0)) {
    scheduler pool(2);
    counter stop{0};
    std::vector<std::thread> threads;
    channel<int> c;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        while (stop == 0) {
          pool.block_on([](channel<int>& both) -> task<> {
            std::vector<martlet::handle<>> some;
            for (int i = 0; i < 50; ++i) {
              some.push_back(martlet::spawn([]() -> task<> { co_await martlet::yield(); }));
              some.push_back(martlet::spawn([&both] { martlet::await(both.send(1)); }));
              some.push_back(martlet::spawn(receives(both)));
            }
            for (auto& one : some) {
              co_await one.join();
            }
          }(c));
        }
      });
    }
    threads.emplace_back([&] {  // frames, stacks and channels from a plain thread
      while (stop == 0) {
        channel<std::string> mine(3);
        std::vector<task<>> unused;
        for (int i = 0; i < 100; ++i) {
          unused.push_back([]() -> task<> { co_return; }());
        }
        scheduler own(1);
        own.spawn([] {});
      }
    });
    int good = 0;
    const int rounds = by_level(200, 1000);
    for (int round = 0; round < rounds; ++round) {
      const child_end end = in_limited_child([&] {
        std::vector<task<>> unused;
        for (int i = 0; i < 300; ++i) {
          unused.push_back([]() -> task<> { co_return; }());
        }
        channel<int> mine(1);
        martlet::await(mine.send(1));
        expect(martlet::await(mine.receive()) == 1, "a channel");
        if constexpr (starts_threads_in_children) {
          scheduler fresh(1);
          expect(fresh.block_on(fresh.spawn([] { return 5; })) == 5, "a new scheduler");
        }
        expect_misuse("made by the parent", [&] { pool.spawn([] {}); });
      });
      good += end.exited_with(0) ? 1 : 0;
      if (!end.exited_with(0)) {
        MESSAGE(end.status, " ", end.errors);
      }
    }
    CHECK(good == rounds);
    stop = 1;
    for (auto& t : threads) {
      t.join();
    }
  }

  TEST_CASE("a tasklet that forks may go on to exec or _exit, and is stopped with a sentence when it waits") {
    for (const bool waits : {false, true}) {
      if (waits && MARTLET_TSAN != 0) {
        continue;  // TSan does not follow a fiber's switch in such a child
      }
      scheduler pool(2);
      auto forks = pool.spawn([waits, &pool] {
        return in_child([&] {
          ::alarm(20);
          expect_misuse("made by the parent", [&] { pool.spawn([] {}); });
          expect_misuse("made by the parent", [&] { martlet::spawn([] {}); });
          if (waits) {
            martlet::await(martlet::yield());
            ::_exit(failed);
          }
        });
      });
      const child_end end = pool.block_on(std::move(forks));
      if (waits) {
        INFO(end.status, " ", end.errors);
        CHECK(end.was_aborted());
        CHECK(end.said("a tasklet called fork"));
      } else {
        CHECK(end.exited_with(0));
      }
      auto in_coroutine = pool.spawn([](bool then_waits) -> task<int> {
        const pid_t child = ::fork();
        if (child == 0) {
          std::signal(SIGABRT, SIG_DFL);
          ::alarm(20);
          ::close(STDERR_FILENO);
          if (then_waits) {
            co_await martlet::sleep_for(1ms);
          }
          ::_exit(0);
        }
        int result = 0;
        ::waitpid(child, &result, 0);
        co_return result;
      }(waits));
      const int result = pool.block_on(std::move(in_coroutine));
      CHECK((waits ? WIFSIGNALED(result) && WTERMSIG(result) == SIGABRT : result == 0));
      CHECK(pool.block_on(pool.spawn([] { return 6; })) == 6);  // the parent has not noticed
    }
  }

  TEST_CASE("so is a function that is called by blocking") {
    scheduler pool(1);
    for (const bool throws : {false, true}) {
      auto forks = pool.spawn([](bool then_throws) -> task<int> {
        int result = 0;
        co_await martlet::blocking([&] {
          const pid_t child = ::fork();
          if (child == 0) {
            std::signal(SIGABRT, SIG_DFL);
            ::alarm(20);
            ::close(STDERR_FILENO);
            if (then_throws) {
              throw std::runtime_error("in the child");
            }
            return;
          }
          ::waitpid(child, &result, 0);
        });
        co_return result;
      }(throws));
      const int result = pool.block_on(std::move(forks));
      INFO(result);
      CHECK((WIFSIGNALED(result) && WTERMSIG(result) == SIGABRT));
    }
  }

  TEST_CASE("a guest of the parent does nothing in the child") {
    scheduler pool({.workers = 0});
    std::optional<martlet::guest> host(pool);
    auto sleeper = pool.spawn([]() -> task<> { co_await martlet::sleep_for(5ms); });
    host->poll();
    const child_end end = in_limited_child([&] {
      expect_misuse("made by the parent", [&] { host->poll(); });
      host.reset();
    });
    CHECK(end.exited_with(0));
    CHECK(loop_until(*host, [&] { return sleeper.state() == status::done; }));
  }
}

}  // namespace
