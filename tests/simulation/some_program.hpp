#pragma once

#include <chrono>
#include <string>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

namespace martlet::testing {

/// A program with a bit of everything: coroutines and a fiber, channels, a lock, sleep, a limit, a cancel.
///
/// Returns   the order in which things happened, which the schedule decides.
inline std::string run_some_program(scheduler& pool) {
  using namespace std::chrono_literals;
  std::string order;
  channel<int> numbers(1);
  mutex lock;
  scope all(pool);
  for (int i = 0; i < 3; ++i) {
    all.spawn([](int number, channel<int>& to, std::string& told) -> task<> {
      for (int round = 0; round < 2; ++round) {
        told += static_cast<char>('a' + number);
        co_await to.send(number);
      }
    }(i, numbers, order));
  }
  all.spawn([&] {
    for (int i = 0; i < 6; ++i) {
      const auto number = martlet::await(numbers.receive());
      const auto guard = martlet::await(lock.acquire());
      order += static_cast<char>('A' + *number);
    }
  });
  all.spawn([](mutex& own, std::string& told) -> task<> {
    for (int i = 0; i < 2; ++i) {
      const auto guard = co_await own.acquire();
      co_await martlet::sleep_for(1ms);
      told += '.';
    }
  }(lock, order));
  all.join();
  return order;
}

}  // namespace martlet::testing
