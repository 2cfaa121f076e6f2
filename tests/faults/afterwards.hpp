#pragma once

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "failing.hpp"
#include "frames_in_use.hpp"

namespace martlet::testing {

inline task<int> number(int n) { co_return n; }

/// Expects that a scheduler that was refused something works as before.
inline void expect_goes_on(scheduler& pool) {
  expect(pool.block_on(number(7)) == 7, "a coroutine runs afterwards");
  expect(pool.block_on(pool.spawn([] { return 8; })) == 8, "a fiber runs afterwards");
  pool.block_on([]() -> task<> { co_await martlet::sleep_for(std::chrono::microseconds(1)); }());
  expect(eventually([&] { return pool.statistics().spawned == pool.statistics().ended; }), "every tasklet ends");
}

/// Runs `body` with a scheduler of one worker while memory is refused; it is told whether that was noticed.
///
/// Takes     `body(refusal&, scheduler&)`.
template <class F>
long refuse_memory(F body) {
  return refuse_each(resource::memory, [&](refusal& now) {
    {
      scheduler pool(1);
      body(now, pool);
      expect_goes_on(pool);
    }
    expect(frames_in_use() == 0, "no frame is left");
  });
}

}  // namespace martlet::testing
