// Rounding modes and floating point flags over a wait.
#include <cfenv>

#include <martlet/martlet.hpp>

#include "holds.hpp"

// volatile: the compiler rounds to nearest where it computes itself, and does not know of fesetround.
[[gnu::noinline]] double third() {
  volatile double one = 1;
  volatile double three = 3;
  volatile double quotient = one / three;
  return quotient;
}

namespace broken {

// [broken]
martlet::task<double> upper_bound(martlet::event& asked_for) {
  std::fesetround(FE_UPWARD);
  const double bound = third();
  co_await asked_for.wait();  // others run here, and round upwards too
  std::fesetround(FE_TONEAREST);
  co_return bound;
}
// [end]

// [broken-flags]
bool is_exact() {
  std::feclearexcept(FE_INEXACT);
  third();
  martlet::await(martlet::yield());
  return std::fetestexcept(FE_INEXACT) == 0;  // whatever the thread has computed meanwhile
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::task<double> upper_bound(martlet::event& asked_for) {
  std::fesetround(FE_UPWARD);
  const double bound = third();
  std::fesetround(FE_TONEAREST);  // before it waits
  co_await asked_for.wait();
  co_return bound;
}

double upper_bound_in_fiber() {
  std::fesetround(FE_UPWARD);  // this fiber's, on whatever thread; nobody else's
  martlet::await(martlet::yield());
  return third();
}
// [end]

// [fixed-flags]
bool is_exact() {
  std::feclearexcept(FE_INEXACT);
  third();
  const bool inexact = std::fetestexcept(FE_INEXACT) != 0;
  martlet::await(martlet::yield());
  return !inexact;
}
// [end]

}  // namespace fixed

// Whether those who run while the coroutine waits still round to nearest.
bool others_round_to_nearest(martlet::task<double> (*bound)(martlet::event&)) {
  martlet::event asked_for;
  martlet::scheduler pool(1);
  return pool.block_on(pool.spawn([&]() -> martlet::task<bool> {
    auto bounding = martlet::spawn(bound(asked_for));
    while (bounding.state() != martlet::status::blocked) {
      co_await martlet::yield();
    }
    const bool is_nearest = third() == 1.0 / 3;
    asked_for.set();
    co_await bounding.join();
    co_return is_nearest;
  }));
}

int main() {
  bool good = holds(others_round_to_nearest(fixed::upper_bound), "a mode that was set back is nobody else's");
  good &= holds(!others_round_to_nearest(broken::upper_bound), "one that was not is everybody's");
  martlet::scheduler pool({.workers = 2, .migrate_always = true});
  martlet::event asked_for;
  asked_for.set();
  const double upper = pool.block_on(pool.spawn(fixed::upper_bound_in_fiber));
  good &= holds(upper > 1.0 / 3 && pool.block_on(fixed::upper_bound(asked_for)) == upper, "a fiber keeps its mode");
  good &= holds(!pool.block_on(pool.spawn(fixed::is_exact)), "the flag was read before the wait");
  static_cast<void>(pool.block_on(pool.spawn(broken::is_exact)));
  return good ? 0 : 1;
}
