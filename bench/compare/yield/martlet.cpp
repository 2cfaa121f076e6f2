// Two tasklets that yield to each other.
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long rounds = 2'000'000;  // of each

martlet::task<long> turns() {
  long taken = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await martlet::yield();
    ++taken;
  }
  co_return taken;
}

martlet::task<long> two() {
  auto first = martlet::spawn(turns());
  auto second = martlet::spawn(turns());
  const long taken = co_await first.join();
  co_return taken + co_await second.join();
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, 2 * rounds, [](asked what) {
    martlet::scheduler pool(what.threads);
    return pool.block_on(two()) == 2 * rounds;
  });
}
