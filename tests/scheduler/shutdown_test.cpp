#include <martlet/scheduler/shutdown.hpp>

#include <array>
#include <chrono>
#include <coroutine>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>
#include <martlet/tasklet/this_tasklet.hpp>

#include "eventually.hpp"
#include "frames_in_use.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::misuse;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

task<> sleeps(counter& stopped) {
  try {
    co_await martlet::sleep_for(1h);
  } catch (const martlet::cancelled&) {
    ++stopped;
    throw;
  }
}

task<> sleeps_twice(counter& stopped) {
  try {
    co_await martlet::sleep_for(1h);
  } catch (const martlet::cancelled&) {
    ++stopped;
  }
  co_await sleeps(stopped);
}

TEST_SUITE("stop") {
  TEST_CASE("it cancels all tasklets, in both kinds, and refuses new ones") {
    counter stopped{0};
    scheduler pool(2);
    std::vector<martlet::handle<>> all;
    for (int i = 0; i < 50; ++i) {
      all.push_back(pool.spawn(sleeps(stopped)));
      all.push_back(pool.spawn([&stopped] { martlet::await(sleeps(stopped)); }));
      all.push_back(pool.spawn(sleeps_twice(stopped)));
    }
    pool.stop();
    pool.stop();
    for (auto& one : all) {
      CHECK_THROWS_AS(pool.block_on(std::move(one)), martlet::cancelled);
    }
    CHECK(stopped == 200);
    CHECK_THROWS_WITH_AS(pool.spawn(sleeps(stopped)), doctest::Contains("was stopped"), misuse);
    CHECK_THROWS_WITH_AS(pool.spawn([] {}), doctest::Contains("was stopped"), misuse);
    martlet::scope group(pool);
    CHECK_THROWS_WITH_AS(group.spawn(sleeps(stopped)), doctest::Contains("was stopped"), misuse);
    CHECK(group.size() == 0);
  }

  TEST_CASE("a tasklet may stop the scheduler that runs it, and clean up with children that are cancelled too") {
    counter stopped{0};
    scheduler pool(2);
    auto others = pool.spawn(sleeps(stopped));
    auto self = pool.spawn([](scheduler& mine, counter& n) -> task<> {
      mine.stop();
      auto child = martlet::spawn(sleeps(n));
      try {
        co_await child.join();
      } catch (const martlet::cancelled&) {
        ++n;
      }
    }(pool, stopped));
    pool.block_on(std::move(self));
    CHECK_THROWS_AS(pool.block_on(std::move(others)), martlet::cancelled);
    CHECK(eventually([&] { return stopped >= 2; }));
  }

  TEST_CASE("it does not wait for a long computation") {
    counter begun{0}, open{0}, stopped{0};
    scheduler pool(1);
    auto computes = pool.spawn([&] {
      ++begun;
      while (open == 0) {
        std::this_thread::yield();
      }
      martlet::await(sleeps(stopped));  // asked to stop while it did not look
    });
    REQUIRE(eventually([&] { return begun == 1; }));
    auto waits = pool.spawn(sleeps(stopped));
    pool.stop();
    CHECK(computes.state() == status::running);
    open = 1;
    CHECK_THROWS_AS(pool.block_on(std::move(computes)), martlet::cancelled);
    CHECK_THROWS_AS(pool.block_on(std::move(waits)), martlet::cancelled);
  }

  TEST_CASE("it may come from any thread at once, while tasklets come and go") {
    const int rounds = scaled(200);
    for (int round = 0; round < rounds; ++round) {
      counter stopped{0}, refused{0};
      scheduler pool(2);
      std::vector<std::thread> threads;
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
          try {
            for (int i = 0;; ++i) {
              if (i > 200) {  // a crowd would only take its time
                std::this_thread::sleep_for(20us);
              }
              pool.spawn([](counter& n) -> task<> {
                auto child = martlet::spawn(sleeps(n));
                co_await martlet::yield();
                co_await child.join();
              }(stopped));
            }
          } catch (const misuse&) {
            ++refused;
          }
        });
      }
      std::this_thread::sleep_for(std::chrono::microseconds(round % 7 * 50));
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] { pool.stop(); });
      }
      for (auto& t : threads) {
        t.join();
      }
      CHECK(refused == 2);
      CHECK(eventually([&] { return pool.statistics().spawned == pool.statistics().ended; }));
    }
  }

  TEST_CASE("it leaves the tasklets of other schedulers alone") {
    counter stopped{0};
    scheduler one(1);
    scheduler other(1);
    auto lives = other.spawn([](counter& n) -> task<int> {
      auto child = martlet::spawn(sleeps(n));
      co_await martlet::sleep_for(20ms);
      child.cancel();
      try {
        co_await child.join();
      } catch (const martlet::cancelled&) {
        co_return 1;
      }
      co_return 0;
    }(stopped));
    one.stop();
    CHECK(other.block_on(std::move(lives)) == 1);
  }
}

TEST_SUITE("shutdown") {
  TEST_CASE("it lets tasklets end by themselves, and spawn others to do so") {
    counter stopped{0};
    int finished = 0;
    scheduler pool(2);
    auto works = pool.spawn([](int& n) -> task<> {
      for (int i = 0; i < 5; ++i) {
        co_await martlet::sleep_for(2ms);
        co_await martlet::spawn([&n] { ++n; }).join();
      }
    }(finished));
    const auto report = pool.shutdown(30s);
    CHECK(report.is_complete());
    CHECK(report.text().empty());
    CHECK(finished == 5);
    CHECK(works.state() == status::done);
    CHECK_THROWS_WITH_AS(pool.spawn(sleeps(stopped)), doctest::Contains("was stopped"), misuse);
    CHECK(pool.shutdown(0s).is_complete());
    pool.stop();
    CHECK(stopped == 0);
  }

  TEST_CASE("it cancels those that did not end before the deadline") {
    counter stopped{0};
    scheduler pool(2);
    auto waits = pool.spawn(sleeps(stopped));
    CHECK(pool.shutdown(std::chrono::steady_clock::now() + 5ms, 30s).is_complete());
    CHECK(stopped == 1);
    CHECK_THROWS_AS(pool.block_on(std::move(waits)), martlet::cancelled);
  }

  TEST_CASE("it says what survived, in which state and where it was spawned") {
    counter begun{0}, open{0};
    scheduler pool(1);
    pool.spawn([&] {
      martlet::this_tasklet::set_name("the busy one");
      ++begun;
      while (open == 0) {
        std::this_thread::sleep_for(1ms);
      }
    });
    const unsigned busy_line = __LINE__ - 7;
    REQUIRE(eventually([&] { return begun == 1; }));
    auto queued = pool.spawn([]() -> task<> { co_return; });
    const unsigned queued_line = __LINE__ - 1;
    const auto report = pool.shutdown(1ms, 1ms);
    CHECK_FALSE(report.is_complete());
    REQUIRE(report.survivors.size() == 2);
    for (const auto& one : report.survivors) {
      const bool is_busy = one.spawned_at.line() == busy_line;
      CHECK((is_busy || one.spawned_at.line() == queued_line));
      CHECK(one.state == (is_busy ? status::running : status::queued));
      CHECK(one.name == (is_busy ? "the busy one" : ""));
    }
    CHECK(report.text().find("1 running, spawned at ") != std::string::npos);
    CHECK(report.text().find("shutdown_test.cpp:" + std::to_string(busy_line) + " as \"the busy one\"") !=
          std::string::npos);
    open = 1;
    CHECK(pool.shutdown(0s, 30s).is_complete());
  }

  TEST_CASE("it knows those in the scope of a plain thread") {
    counter stopped{0};
    scheduler pool(1);
    martlet::scope group(pool);
    auto child = group.spawn(sleeps(stopped));
    REQUIRE(eventually([&] { return child.state() == status::blocked; }));
    CHECK(pool.shutdown(1ms, 30s).is_complete());
    CHECK(stopped == 1);
    CHECK(group.size() == 0);
    try {
      group.join();
    } catch (...) {}
  }

  TEST_CASE("it waits for the children of a scope that its tasklet has left behind") {
    std::unique_ptr<martlet::scope> left;
    counter ended{0};
    scheduler pool(2);
    pool.block_on(pool.spawn([&] {
      left = std::make_unique<martlet::scope>();
      for (int i = 0; i < 3; ++i) {
        left->spawn([](counter& n) -> task<> {
          co_await martlet::sleep_for(20ms);
          ++n;
        }(ended));
      }
    }));
    CHECK(pool.shutdown(1h).is_complete());
    CHECK(ended == 3);
  }

  TEST_CASE("it does not wait for a scope that has no children any more") {
    counter ended{0};
    scheduler pool(2);
    martlet::scope group(pool);
    for (int i = 0; i < 3; ++i) {
      group.spawn([](counter& n) -> task<> {
        ++n;
        co_return;
      }(ended));
      group.join();
    }
    CHECK(pool.shutdown(1h).is_complete());
    CHECK(ended == 3);
  }

  TEST_CASE("it reports a tasklet that refuses to stop, and the scheduler's end waits for it") {
    counter open{0};
    bool ended = false;
    {
      scheduler pool(2);
      auto stubborn = pool.spawn([](counter& may_go, bool& out) -> task<> {
        while (may_go == 0) {
          try {
            co_await martlet::sleep_for(1ms);
          } catch (const martlet::cancelled&) {
            std::this_thread::sleep_for(100us);
          }
        }
        out = true;
      }(open, ended));
      const auto report = pool.shutdown(1ms, 5ms);
      REQUIRE(report.survivors.size() == 1);
      CHECK(report.survivors.front().spawned_at.line() == stubborn.spawned_at().line());
      open = 1;
    }
    CHECK(ended);
  }

  TEST_CASE("where no thread ever came it brings its own") {
    counter stopped{0};
    const std::size_t frames = frames_in_use();
    scheduler pool({.workers = 0});
    pool.spawn(sleeps(stopped));
    auto sum = pool.spawn([] { return 2; });
    CHECK(pool.shutdown(5ms, 30s).is_complete());
    CHECK(stopped == 1);
    CHECK(pool.block_on(std::move(sum)) == 2);
    CHECK(frames_in_use() == frames);
  }

  TEST_CASE("a thread inside run_here leaves when its tasklet has ended") {
    for (int round = 0; round < scaled(100); ++round) {
      counter stopped{0}, inside{0};
      scheduler pool({.workers = round % 2});
      std::thread lent([&] {
        try {
          pool.run_here([](counter& in, counter& n) -> task<> {
            ++in;
            co_await sleeps(n);
          }(inside, stopped));
        } catch (const martlet::cancelled&) {
          ++stopped;
        }
      });
      REQUIRE(eventually([&] { return inside == 1; }));
      CHECK(pool.shutdown(0s, 30s).is_complete());
      lent.join();
      CHECK(stopped == 2);
    }
  }

  TEST_CASE("what was accepted has ended when it returns, whoever spawned meanwhile") {
    const std::size_t frames = frames_in_use();
    for (int round = 0; round < scaled(100); ++round) {
      counter ran{0}, accepted{0};
      scheduler pool(1 + round % 2);
      std::vector<std::thread> threads;
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
          for (;;) {
            try {
              if (t == 0) {
                pool.spawn([](counter& n) -> task<> {
                  ++n;
                  co_return;
                }(ran));
              } else {
                pool.spawn([&ran] { ++ran; });
              }
            } catch (const misuse&) {
              return;  // from now on nothing is
            }
            ++accepted;
          }
        });
      }
      CHECK(pool.shutdown(1h).is_complete());
      for (auto& t : threads) {
        t.join();
      }
      CHECK(ran == accepted);
      CHECK(pool.statistics().ended == static_cast<std::uint64_t>(accepted));
    }
    CHECK(frames_in_use() == frames);
  }

  TEST_CASE("nor is a child of a plain thread's scope lost") {
    for (int round = 0; round < scaled(100); ++round) {
      counter ran{0}, accepted{0};
      scheduler pool(1);
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
          martlet::scope mine(pool);
          try {
            for (;;) {
              mine.spawn([](counter& n) -> task<> {
                ++n;
                co_return;
              }(ran));
              ++accepted;
            }
          } catch (const misuse&) {}
        });
      }
      REQUIRE(eventually([&] { return accepted > 100; }));
      static_cast<void>(pool.shutdown(0s, 0s));
      for (auto& t : threads) {
        t.join();
      }
      CHECK(ran == accepted);
      CHECK(pool.shutdown(1h).is_complete());
    }
  }

  TEST_CASE("it does not overlook who goes from frame to frame") {
    struct relay {
      static task<> small(martlet::scope& in, counter& n, int left) {
        ++n;
        if (left > 0) {
          in.spawn(large(in, n, left - 1));
        }
        co_return;
      }
      static task<> large(martlet::scope& in, counter& n, int left) {  // in a slab of another size
        std::array<char, 2000> pad;
        pad[static_cast<std::size_t>(left) % pad.size()] = 1;
        co_await std::suspend_never();
        asm volatile("" ::"r"(pad.data()) : "memory");
        ++n;
        if (left > 0) {
          in.spawn(small(in, n, left - 1));
        }
      }
    };
    const int hops = scaled(200'000);
    scheduler pool(1);
    counter ran{0};
    martlet::scope all(pool);
    all.spawn(relay::small(all, ran, hops));
    CHECK(pool.shutdown(1h).is_complete());
    CHECK(ran == hops + 1);
    CHECK(all.size() == 0);
  }

  TEST_CASE("what a lent thread leaves behind just then is run by another") {
    for (int round = 0; round < scaled(100); ++round) {
      counter ran{0};
      scheduler pool({.workers = 0, .lent_threads = 1});
      auto begins = pool.spawn([&] {
        for (int i = 0; i < 10; ++i) {
          martlet::spawn([&ran] {
            martlet::await(martlet::yield());
            ++ran;
          });
        }
      });
      std::thread lent([&] { pool.run_here(std::move(begins)); });
      CHECK(pool.shutdown(1h).is_complete());
      lent.join();
      CHECK(ran == 10);
    }
  }

  TEST_CASE("on a worker it is refused") {
    scheduler pool(1);
    CHECK_THROWS_WITH_AS(pool.block_on(pool.spawn([&] { pool.shutdown(1s); })), doctest::Contains("call stop()"),
                         misuse);
  }

  TEST_CASE("of two that run at once each keeps its own deadline") {
    counter stopped{0};
    counter may_end{0};
    scheduler pool(2);
    pool.spawn(sleeps(stopped));
    pool.spawn([&]() -> task<> {
      while (may_end == 0) {
        try {
          co_await martlet::yield();
        } catch (const martlet::cancelled&) {
          std::this_thread::yield();
        }
      }
    });
    std::thread patient([&] { CHECK(pool.shutdown(1h).is_complete()); });
    const auto left = pool.shutdown(1ms, 1ms);
    CHECK(!left.is_complete());
    CHECK(eventually([&] { return stopped == 1; }));  // the earlier deadline has cancelled it
    may_end = 1;
    patient.join();
    CHECK(pool.shutdown(0ms).is_complete());
  }

  TEST_CASE("several threads may call it at once") {
    counter stopped{0};
    scheduler pool(2);
    pool.spawn(sleeps(stopped));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { CHECK(pool.shutdown(1ms, 30s).is_complete()); });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(stopped == 1);
  }
}

}  // namespace
