// Fibonacci numbers the slow way: a call forks one half, on a stack of 16 KiB, and does the other one itself.
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr int number = 27;
constexpr long expected = 196'418;
constexpr long calls = 832'039;

long fib(int n) {
  if (n < 2) {
    return n;
  }
  long first = 0;
  fibers::fixedsize_stack stack(16 * 1024);
  fibers::fiber forked(fibers::launch::dispatch, std::allocator_arg, stack, [&first, n] { first = fib(n - 1); });
  const long second = fib(n - 2);
  forked.join();
  return first + second;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, calls, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    return fib(number) == expected;
  });
}
