// Fibonacci numbers the slow way: one half is spawned, the other one awaited.
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr int n = 36;
constexpr long answer = 14'930'352;
constexpr long calls = 48'315'633;

martlet::task<long> fib(int of) {
  if (of < 2) {
    co_return of;
  }
  auto left = martlet::spawn(fib(of - 1));
  const long right = co_await fib(of - 2);
  co_return right + co_await left.join();
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, calls, [](asked what) {
    martlet::scheduler pool(what.threads);
    return pool.block_on(fib(n)) == answer;
  });
}
