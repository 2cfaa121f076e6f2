// Two fibers that yield to each other.
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long rounds = 2'000'000;  // of each

long turns() {
  long taken = 0;
  for (long i = 0; i < rounds; ++i) {
    martlet::await(martlet::yield());
    ++taken;
  }
  return taken;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, 2 * rounds, [](asked what) {
    martlet::scheduler pool(what.threads);
    const auto two = [] {
      auto first = martlet::spawn(turns);
      auto second = martlet::spawn(turns);
      const long taken = martlet::await(first.join());
      return taken + martlet::await(second.join());
    };
    return pool.block_on(pool.spawn(two)) == 2 * rounds;
  });
}
