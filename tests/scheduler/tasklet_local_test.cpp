#include <martlet/tasklet/tasklet_local.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using martlet::tasklet_local;
using counter = martlet::base::atomic<int>;

// Notes when it is destroyed.
struct noted {
  noted(std::string* to, char what) : log(to), letter(what) {}
  noted(const noted&) = delete;
  noted& operator=(const noted&) = delete;
  ~noted() { *log += letter; }

  std::string* log;
  char letter;
};

TEST_SUITE("tasklet_local") {
  TEST_CASE("each tasklet has its own, and keeps it from thread to thread") {
    scheduler pool(2);
    tasklet_local<int> number([] { return -1; });
    tasklet_local<std::string> text;
    counter wrong{0};
    martlet::scope all(pool);
    for (int i = 0; i < fibers(300); ++i) {
      const auto check = [&, i] { wrong += *number == i && text.get() == std::to_string(i) ? 0 : 1; };
      all.spawn([&, i, check]() -> task<> {
        wrong += *number == -1 && text->empty() ? 0 : 1;
        *number = i;
        *text = std::to_string(i);
        for (int round = 0; round < 20; ++round) {
          co_await martlet::yield();
          check();
          co_await [](auto look) -> task<> {  // a part of the same tasklet
            co_await martlet::sleep_for(1us);
            look();
          }(check);
        }
      });
      all.spawn([&, i, check] {
        wrong += *number == -1 ? 0 : 1;
        *number = i;
        *text = std::to_string(i);
        for (int round = 0; round < 20; ++round) {
          martlet::await(martlet::yield());
          check();
        }
      });
    }
    all.join();
    CHECK(wrong == 0);
  }

  TEST_CASE("values go when their tasklet ends, the last made first, before its end is told") {
    scheduler pool(1);
    std::string log;
    tasklet_local<std::shared_ptr<noted>> first([&log] { return std::make_shared<noted>(&log, 'a'); });
    tasklet_local<std::shared_ptr<noted>> second([&log] { return std::make_shared<noted>(&log, 'b'); });
    auto h = pool.spawn([&]() -> task<> {
      first.get();
      second.get();
      co_return;
    });
    pool.block_on(std::move(h));
    CHECK(log == "ba");
    pool.block_on(pool.spawn([&] {
      second.get();
      first.get();
    }));
    CHECK(log == "baab");
    auto failing = pool.spawn([&] {
      first.get();
      throw std::runtime_error("failed");
    });
    CHECK_THROWS_AS(pool.block_on(std::move(failing)), std::runtime_error);
    CHECK(log == "baaba");
  }

  TEST_CASE("a destructor may use others, and may make new ones") {
    scheduler pool(1);
    std::string log;
    tasklet_local<std::shared_ptr<noted>> late([&log] { return std::make_shared<noted>(&log, 'l'); });
    struct uses_late {
      explicit uses_late(tasklet_local<std::shared_ptr<noted>>* one) : other(one) {}
      tasklet_local<std::shared_ptr<noted>>* other;
      ~uses_late() { other->get(); }
    };
    tasklet_local<std::shared_ptr<uses_late>> user([&late] { return std::make_shared<uses_late>(&late); });
    pool.block_on(pool.spawn([&] { user.get(); }));
    CHECK(log == "l");
  }

  TEST_CASE("a variable may go before its tasklets, and its successor is another one") {
    scheduler pool(1);
    std::string log;
    pool.block_on(pool.spawn([&] {
      for (const char letter : {'x', 'y'}) {
        tasklet_local<std::shared_ptr<noted>> brief([&log, letter] { return std::make_shared<noted>(&log, letter); });
        CHECK(brief.get()->letter == letter);
      }
      CHECK(log.empty());
    }));
    CHECK(log == "yx");
  }

  TEST_CASE("what throws while it is made leaves nothing behind") {
    scheduler pool(1);
    counter made{0};
    tasklet_local<int> number([&made]() -> int { return ++made == 1 ? throw std::runtime_error("not yet") : 5; });
    pool.block_on(pool.spawn([&] {
      CHECK_THROWS_AS(number.get(), std::runtime_error);
      CHECK(number.get() == 5);
      CHECK(number.get() == 5);
    }));
    CHECK(made == 2);
  }

  TEST_CASE("none is left when the frame of a detached tasklet asks for one as it goes") {
    counter alive{0};
    struct counted {
      counter* n;
      explicit counted(counter& of) : n(&of) { ++*n; }
      ~counted() { --*n; }
    };
    {
      scheduler pool(2);
      tasklet_local<std::shared_ptr<counted>> value([&alive] { return std::make_shared<counted>(alive); });
      struct asks {
        explicit asks(tasklet_local<std::shared_ptr<counted>>* one) : what(one) {}
        tasklet_local<std::shared_ptr<counted>>* what;
        ~asks() { what->get(); }
      };
      // A handle that goes after its tasklet has ended takes the frame with it: the value is this thread's then.
      std::thread([&] {
        for (int i = 0; i < 100; ++i) {
          pool.spawn([](std::shared_ptr<asks>) -> task<> {
            co_await martlet::yield();
          }(std::make_shared<asks>(&value)));
        }
      }).join();
      while (pool.statistics().ended != 100) {
        std::this_thread::yield();
      }
    }
    CHECK(alive == 0);
  }

  TEST_CASE("a plain thread has one of its own, which ends with it") {
    std::string log;
    tasklet_local<std::shared_ptr<noted>> value([&log] { return std::make_shared<noted>(&log, 't'); });
    std::thread([&] { CHECK(value.get()->letter == 't'); }).join();
    CHECK(log == "t");
  }

  TEST_CASE("a frame that is used again begins without values") {
    scheduler pool(1);
    tasklet_local<int> number([] { return 0; });
    int most = 0;
    for (int i = 0; i < 1000; ++i) {
      most = std::max(most, pool.block_on([](tasklet_local<int>& n) -> task<int> { co_return ++*n; }(number)));
    }
    CHECK(most == 1);
  }
}

}  // namespace
