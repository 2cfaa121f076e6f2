#include <chrono>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

namespace {

using namespace std::chrono_literals;
using martlet::explore;
using martlet::scheduler;
using martlet::task;

void require(bool condition, const char* sentence) {
  if (!condition) {
    throw std::logic_error(sentence);
  }
}

// Each under hundreds of schedules: what holds in all of them is asserted inside.
void holds_always(const std::function<void(martlet::simulation&)>& program) {
  const auto found = explore(program, {.schedules = 300});
  CHECK_MESSAGE(!found.failed, found.text());
}

TEST_SUITE("every primitive in simulation") {
  TEST_CASE("channels lose and repeat nothing, and keep the order of each sender") {
    for (const std::size_t capacity : {0U, 1U, 3U}) {
      holds_always([capacity](scheduler& pool) {
        martlet::channel<int> numbers(capacity);
        int sum = 0;
        int last[2] = {-1, -1};
        martlet::scope all(pool);
        for (int sender = 0; sender < 2; ++sender) {
          all.spawn([](martlet::channel<int>& to, int who) -> task<> {
            for (int i = 0; i < 5; ++i) {
              co_await to.send(who * 100 + i);
            }
          }(numbers, sender));
        }
        all.spawn([&] {
          for (int i = 0; i < 10; ++i) {
            const int got = martlet::await(numbers.receive()).value();
            require(got % 100 == last[got / 100] + 1, "in the order of its sender");
            last[got / 100] = got % 100;
            sum += got;
          }
        });
        all.join();
        require(sum == 520, "each once");
      });
    }
  }

  TEST_CASE("a select takes one case, and what it lost can still be had") {
    holds_always([](scheduler& pool) {
      martlet::channel<int> left(1);
      martlet::channel<int> right(1);
      martlet::scope all(pool);
      all.spawn([](martlet::channel<int>& to) -> task<> { co_await to.send(1); }(left));
      all.spawn([](martlet::channel<int>& to) -> task<> { co_await to.send(2); }(right));
      all.spawn([](martlet::channel<int>& one, martlet::channel<int>& other) -> task<> {
        int sum = 0;
        for (int i = 0; i < 2; ++i) {
          auto chosen = co_await martlet::select(one.receive(), other.receive());
          sum += chosen.index() == 0 ? std::get<0>(chosen).value() : std::get<1>(chosen).value();
        }
        require(sum == 3, "both came, each once");
      }(left, right));
      all.join();
    });
  }

  TEST_CASE("locks keep others out, whatever comes between") {
    holds_always([](scheduler& pool) {
      martlet::mutex alone;
      martlet::shared_mutex shared;
      martlet::semaphore two(2);
      int inside = 0;
      int readers = 0;
      int holders = 0;
      martlet::scope all(pool);
      for (int i = 0; i < 3; ++i) {
        all.spawn([](martlet::mutex& own, int& count) -> task<> {
          const auto guard = co_await own.acquire();
          require(++count == 1, "a mutex has one owner");
          co_await martlet::yield();
          --count;
        }(alone, inside));
        all.spawn([](martlet::shared_mutex& own, int& count, bool writes) -> task<> {
          if (writes) {
            const auto guard = co_await own.acquire();
            require(count == 0, "a writer is alone");
            co_await martlet::yield();
            require(count == 0, "a writer stays alone");
          } else {
            const auto guard = co_await own.acquire_shared();
            ++count;
            co_await martlet::yield();
            --count;
          }
        }(shared, readers, i == 0));
        all.spawn([](martlet::semaphore& own, int& count) -> task<> {
          const auto one = co_await own.acquire();
          require(++count <= 2, "as many as there is room for");
          co_await martlet::sleep_for(1ms);
          --count;
        }(two, holders));
      }
      all.join();
    });
  }

  TEST_CASE("a notice that was given reaches somebody") {
    holds_always([](scheduler& pool) {
      martlet::mutex own;
      martlet::condition changed;
      int items = 0;
      martlet::scope all(pool);
      for (int i = 0; i < 2; ++i) {
        all.spawn([](martlet::mutex& lock, martlet::condition& when, int& count) -> task<> {
          auto guard = co_await lock.acquire();
          co_await when.wait(guard, [&count] { return count != 0; });
          --count;
        }(own, changed, items));
        all.spawn([](martlet::mutex& lock, martlet::condition& when, int& count) -> task<> {
          const auto guard = co_await lock.acquire();
          ++count;
          when.notify_one();
        }(own, changed, items));
      }
      all.join();
      require(items == 0, "each item was taken");
    });
  }

  TEST_CASE("events, groups, barriers and once") {
    holds_always([](scheduler& pool) {
      martlet::event begin;
      martlet::wait_group open(3);
      martlet::barrier meeting(3);
      martlet::once made;
      int calls = 0;
      int met = 0;
      martlet::scope all(pool);
      for (int i = 0; i < 3; ++i) {
        all.spawn([](martlet::event& first, martlet::wait_group& group, martlet::barrier& all_here,
                     int& here) -> task<> {
          co_await first.wait();
          ++here;
          co_await all_here.arrive_and_wait();
          require(here == 3, "nobody leaves a barrier before all have come");
          group.done();
        }(begin, open, meeting, met));
        all.spawn([&] {
          made.call([&calls] {
            martlet::await(martlet::yield());
            ++calls;
          });
          require(calls == 1, "nobody goes on before it was called");
        });
      }
      begin.set();
      martlet::await(open.wait());
      all.join();
      require(calls == 1, "called once");
    });
  }

  TEST_CASE("a cancel or a limit ends each wait once, and loses nothing") {
    holds_always([](scheduler& pool) {
      martlet::channel<int> numbers;
      int received = 0;
      int sent = 0;
      martlet::scope all(pool);
      all.spawn([](martlet::channel<int>& from, int& count) -> task<> {
        for (int i = 0; i < 3; ++i) {
          try {
            count += (co_await martlet::within(1ms, from.receive())).has_value() ? 1 : 0;
          } catch (const martlet::deadline_passed&) {}
        }
      }(numbers, received));
      auto sender = all.spawn([](martlet::channel<int>& to, int& count) -> task<> {
        for (int i = 0; i < 3; ++i) {
          co_await to.send(i);
          ++count;
        }
      }(numbers, sent));
      all.spawn([](martlet::handle<void> who) -> task<> {
        co_await martlet::sleep_for(2ms);
        who.cancel();
        try {
          co_await who.join();
        } catch (const martlet::cancelled&) {}
      }(std::move(sender)));
      all.join();
      require(received == sent, "what was sent was received");
    });
  }

  TEST_CASE("the first error in a scope stops the siblings") {
    holds_always([](scheduler& pool) {
      int stopped = 0;
      bool has_failed = false;
      martlet::scope all(pool);
      for (int i = 0; i < 3; ++i) {
        all.spawn([](int& count) -> task<> {
          try {
            co_await martlet::sleep_for(1h);
          } catch (const martlet::cancelled&) {
            ++count;
            throw;
          }
        }(stopped));
      }
      all.spawn([]() -> task<> {
        co_await martlet::yield();
        throw std::runtime_error("first");
      }());
      try {
        all.join();
      } catch (const std::runtime_error& e) {
        has_failed = e.what() == std::string("first");
      }
      require(has_failed, "the error was told");
      require(stopped <= 3, "each sibling once");
    });
  }
}

}  // namespace
