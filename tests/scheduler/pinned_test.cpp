#include <martlet/scheduler.hpp>

#include <chrono>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

// Binds the running tasklet to the worker that runs it, as what depends on its thread does.
class [[nodiscard]] pin_here final : public martlet::detail::operation<pin_here> {
 public:
  bool prepare(martlet::detail::waiter who) noexcept {
    who.root->is_pinned_ = true;
    return false;
  }
  static bool publish() noexcept { return true; }
  void finish() const noexcept {}
};

// Returns   how often it found itself on another thread than the first.
template <class Wait>
task<int> stays(int rounds, Wait wait) {
  co_await pin_here();
  const auto home = thread_now();
  int moved = 0;
  for (int i = 0; i < rounds; ++i) {
    co_await wait();
    moved += thread_now() == home ? 0 : 1;
  }
  co_return moved;
}

TEST_SUITE("pinned") {
  TEST_CASE("a pinned tasklet stays on its worker through yields, sleeps and joins") {
    scheduler pool(3);
    std::vector<martlet::handle<int>> all;
    const int rounds = scaled(2000);
    for (int i = 0; i < 6; ++i) {
      all.push_back(pool.spawn(stays(rounds, [] { return martlet::yield(); })));
      all.push_back(pool.spawn(stays(20, [] { return martlet::sleep_for(1ms); })));
    }
    const auto waits = [&]() -> task<int> {
      co_await pin_here();
      const auto home = thread_now();
      int moved = 0;
      for (int i = 0; i < 300; ++i) {
        co_await martlet::spawn([]() -> task<> { co_await martlet::yield(); }).join();
        moved += thread_now() == home ? 0 : 1;
      }
      co_return moved;
    };
    all.push_back(pool.spawn(waits()));
    for (auto& h : all) {
      CHECK(martlet::await(h.join()) == 0);
    }
  }

  TEST_CASE("a pinned fiber stays too") {
    scheduler pool(2);
    auto h = pool.spawn([] {
      martlet::await(pin_here());
      const auto home = thread_now();
      int moved = 0;
      for (int i = 0; i < 300; ++i) {
        martlet::await(i % 10 == 0 ? martlet::spawn([]() -> task<> { co_await martlet::sleep_for(100us); }).join()
                                   : martlet::spawn([]() -> task<> { co_return; }).join());
        moved += thread_now() == home ? 0 : 1;
      }
      return moved;
    });
    CHECK(pool.block_on(std::move(h)) == 0);
  }

  TEST_CASE("a wake from elsewhere wakes its worker, however deep it sleeps") {
    scheduler pool(4);
    for (int round = 0; round < 5; ++round) {
      std::vector<martlet::handle<int>> all;
      std::vector<martlet::handle<>> sleepers;
      sleepers.reserve(4);  // they are referred to
      for (int i = 0; i < 4; ++i) {
        sleepers.push_back(pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); }));
        all.push_back(pool.spawn([](martlet::handle<>& of) -> task<int> {
          co_await pin_here();
          const auto home = thread_now();
          try {
            co_await of.join();
          } catch (const martlet::cancelled&) {}
          co_return thread_now() == home ? 1 : 0;
        }(sleepers.back())));
      }
      for (auto& h : all) {
        REQUIRE(eventually([&] { return h.state() == martlet::status::blocked; }));
      }
      std::this_thread::sleep_for(100ms);  // long enough for every worker to stop looking
      for (auto& h : sleepers) {
        h.cancel();
      }
      for (auto& h : all) {
        CHECK(martlet::await(h.join()) == 1);
      }
    }
  }
}

}  // namespace
