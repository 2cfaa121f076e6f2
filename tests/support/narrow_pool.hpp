#pragma once

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "gate.hpp"

/// Schedulers with few threads for blocking calls.
namespace martlet::testing {

inline auto queued(const scheduler& pool) { return pool.statistics().blocking_queued; }
inline auto running(const scheduler& pool) { return pool.statistics().blocking_running; }

inline scheduler_options narrow(int threads, int workers = 2) {
  return {.workers = workers, .blocking_threads = threads};
}

/// Holds the only thread of a pool until `door` opens.
inline handle<> holds(scheduler& pool, gate& door) {
  auto h = pool.spawn([&door]() -> task<> { co_await blocking([&door] { door.pass(); }); });
  REQUIRE(eventually([&] { return door.came() == 1; }));
  return h;
}

}  // namespace martlet::testing
