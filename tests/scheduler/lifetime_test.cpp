#include <martlet/scheduler.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <unistd.h>

#include "eventually.hpp"
#include "forbid_threads.hpp"
#include "frames_in_use.hpp"
#include "in_child.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

long entries_in(const char* folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}
long resident_pages() {
  std::ifstream file("/proc/self/statm");
  long size = 0;
  long resident = 0;
  file >> size >> resident;
  return resident;
}

// Counts its end, however it comes.
class at_end {
 public:
  explicit at_end(counter& ended) : ended_(&ended) {}
  at_end(const at_end&) = delete;
  at_end& operator=(const at_end&) = delete;
  ~at_end() { ++*ended_; }

 private:
  counter* ended_;
};

task<> sleeps(counter& ended) {
  const at_end mark(ended);
  co_await martlet::sleep_for(1h);
}

TEST_SUITE("a scheduler's life") {
  TEST_CASE("its end cancels what sleeps and joins, in both kinds, and runs their destructors") {
    for (const int workers : {1, 2, 4}) {
      counter ended{0};
      const std::size_t frames = frames_in_use();
      const std::size_t stacks = martlet::detail::stacks().counts().taken;
      const int each = fibers(100);
      {
        scheduler pool(workers);
        for (int i = 0; i < each; ++i) {
          pool.spawn(sleeps(ended));
          pool.spawn([&ended] {
            const at_end mark(ended);
            martlet::await(martlet::sleep_for(1h));
          });
          pool.spawn([](counter& n) -> task<> {
            const at_end mark(n);
            auto child = martlet::spawn(sleeps(n));
            co_await child.join();
          }(ended));
          pool.spawn([&ended] {
            const at_end mark(ended);
            martlet::await(sleeps(ended));
          });
        }
      }
      CHECK(ended == 6 * each);
      CHECK(frames_in_use() == frames);
      CHECK(martlet::detail::stacks().counts().taken == stacks);
    }
  }

  TEST_CASE("its end cancels what a scope waits for, and the scope itself") {
    counter ended{0};
    {
      scheduler pool(2);
      pool.spawn([](counter& n) -> task<> {
        const at_end mark(n);
        co_await martlet::in_scope([&](martlet::scope& s) -> task<> {
          s.spawn(sleeps(n));
          s.spawn(sleeps(n));
          co_return;
        });
      }(ended));
      pool.block_on([]() -> task<> { co_await martlet::sleep_for(2ms); }());
    }
    CHECK(ended == 3);
  }

  TEST_CASE("what is spawned while it ends is cancelled too") {
    counter ended{0};
    {
      scheduler pool(2);
      pool.spawn([](counter& n) -> task<> {
        try {
          co_await martlet::sleep_for(1h);
        } catch (const martlet::cancelled&) {
          for (int i = 0; i < 100; ++i) {
            martlet::spawn(sleeps(n));
          }
        }
      }(ended));
    }
    CHECK(ended == 100);
  }

  TEST_CASE("a tasklet that destroys its own scheduler is stopped with a sentence") {
    const auto end = in_child([] {
      auto* pool = new scheduler(2);
      pool->block_on(pool->spawn([pool] { delete pool; }));
    });
    CHECK(end.was_aborted());
    CHECK(end.said("a scheduler was destroyed by a tasklet of its own"));
  }

  TEST_CASE("when a thread cannot be started there is no scheduler, and the error says which thread it was") {
    const auto end = in_child([] {
      forbid_threads();
      try {
        const scheduler pool(2);
      } catch (const std::system_error& e) {
        const bool is_said =
            std::string(e.what()).find("the thread of worker 0 could not be started") != std::string::npos;
        ::_exit(is_said && e.code() == std::errc::resource_unavailable_try_again ? 42 : 43);
      }
    });
    REQUIRE(!end.exited_with(77));
    CHECK(end.exited_with(42));
  }

  TEST_CASE("a handle may outlive it, with its value") {
    martlet::handle<std::string> kept;
    {
      scheduler pool(1);
      kept = pool.spawn([]() -> task<std::string> { co_return "still here"; });
      REQUIRE(eventually([&] { return kept.state() == martlet::status::done; }));
    }
    CHECK(martlet::await(kept.join()) == "still here");
  }

  TEST_CASE("many starts and stops leave no thread, no descriptor and no memory behind") {
    counter ended{0};
    const auto cycle = [&ended] {
      scheduler pool(2);
      pool.spawn(sleeps(ended));
      pool.spawn([&ended] {
        const at_end mark(ended);
        martlet::await(martlet::sleep_for(1h));
      });
      pool.block_on([]() -> task<int> { co_return co_await martlet::spawn([] { return 1; }).join(); }());
    };
    const int rounds = scaled(1000);
    for (int i = 0; i < rounds / 10 + 1; ++i) {  // what is kept for good is there after the first few
      cycle();
    }
    const long threads = entries_in("/proc/self/task");
    const long files = entries_in("/proc/self/fd");
    const long pages = resident_pages();
    const std::size_t frames = frames_in_use();
    for (int i = 0; i < rounds; ++i) {
      cycle();
    }
    CHECK(eventually([&] {
      return entries_in("/proc/self/task") <= threads;
    }));  // the kernel removes them a moment later
    CHECK(entries_in("/proc/self/fd") == files);
    CHECK(frames_in_use() == frames);
    if constexpr (!is_watched) {  // a sanitizer keeps what was freed
      CHECK((resident_pages() - pages) * ::sysconf(_SC_PAGESIZE) < 4 << 20);
    }
  }

  TEST_CASE("schedulers start and stop beside each other") {
    const int rounds = scaled(300);
    counter ended{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < rounds; ++i) {
          scheduler pool(1);
          for (int n = 0; n < 5; ++n) {
            pool.spawn(sleeps(ended));
            pool.spawn([]() -> task<> { co_await martlet::sleep_for(50us); });
            pool.spawn([&ended] {
              const at_end mark(ended);
              martlet::await(martlet::sleep_for(1h));
            });
          }
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(ended == 3 * rounds * 10);
  }

  TEST_CASE("a worker's start and stop are told on its own thread") {
    counter started{0}, stopped{0};
    {
      scheduler pool({.workers = 3, .on_worker_start = [&] { ++started; }, .on_worker_stop = [&] { ++stopped; }});
      CHECK(eventually([&] { return started == 3; }));
      CHECK(stopped == 0);
    }
    CHECK(stopped == 3);
  }

  TEST_CASE("what is spawned where a worker starts runs, however soon the scheduler ends") {
    counter ran{0};
    const int rounds = scaled(200);
    for (int i = 0; i < rounds; ++i) {
      const scheduler pool({.workers = 2, .on_worker_start = [&] { martlet::spawn([&] { ++ran; }); }});
    }
    CHECK(ran == 2 * rounds);
  }

  TEST_CASE("where a worker stops nothing is spawned any more") {
    counter ran{0}, refused{0};
    {
      scheduler pool({.workers = 2, .on_worker_stop = [&] {
                        try {
                          martlet::spawn([&] { ++ran; });
                        } catch (const martlet::misuse& e) {
                          refused +=
                              std::string(e.what()).find("on_worker_stop is too late") != std::string::npos ? 1 : 0;
                        }
                      }});
      pool.block_on(pool.spawn([] {}));
    }
    CHECK(refused == 2);
    CHECK(ran == 0);
  }
}

}  // namespace
