// What others wait in has to outlive them.
#include <martlet/martlet.hpp>

#include "holds.hpp"

namespace broken {

// [broken]
void run() {
  martlet::scheduler pool(1);
  martlet::channel<int> numbers;  // ends before the scheduler, whose tasklet still waits in it
  auto sum = pool.spawn([&]() -> martlet::task<> {
    while (auto one = co_await numbers.receive()) {}
  });
  while (numbers.balance() != -1) {}  // until it waits
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
void run() {
  martlet::channel<int> numbers;  // ends last
  martlet::scheduler pool(1);     // cancels what waits, and waits for it
  auto sum = pool.spawn([&]() -> martlet::task<> {
    while (auto one = co_await numbers.receive()) {}
  });
}
// [end]

// [fixed-close]
void run_and_close() {
  martlet::scheduler pool(1);
  martlet::channel<int> numbers;
  auto sum = pool.spawn([&]() -> martlet::task<> {
    while (auto one = co_await numbers.receive()) {}
  });
  numbers.close();                // who waits in it goes on,
  pool.block_on(std::move(sum));  // and has left it here
}
// [end]

}  // namespace fixed

int main() {
  const auto stopped = martlet::testing::in_child(broken::run);
  const bool good =
      holds(stopped.was_aborted() && stopped.said("a channel was destroyed while 1 tasklets waited in it"),
            "a channel that ends with waiters stops the program");
  fixed::run();
  fixed::run_and_close();
  return good ? 0 : 1;
}
