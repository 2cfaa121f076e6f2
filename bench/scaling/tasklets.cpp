// So many tasklets that live at once: what it takes to make one, to wake it, to give it a turn and to end it, and its memory.
#include <algorithm>
#include <atomic>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "point.hpp"

namespace {

using martlet::channel;
using martlet::task;
using martlet::bench::stopwatch;

constexpr long lives = 200'000;  // at least, however few live at once: a clock is too coarse for a hundred
constexpr int turns = 4;         // of each tasklet in a life

struct sums {
  double create_ns = 0;
  double wake_ns = 0;
  double yield_ns = 0;
  double end_ns = 0;
  double yields = 0;
};

task<> live(channel<long>& gate, const std::atomic<bool>& stop) {
  while (auto message = co_await gate.receive()) {}
  while (!stop.load(std::memory_order_relaxed)) {
    co_await martlet::yield();
  }
}

task<> wait_until_parked(const channel<long>& gate, long many) {
  while (gate.balance() != -many) {
    co_await martlet::yield();
  }
}

// All of them are created, woken once by a message, and then take turns until they are stopped. Returns how many bytes
// became resident while they were created, where that is asked for: it takes longer than a hundred tasklets do.
task<double> live_once(const martlet::scheduler& pool, long many, sums& to, bool weighs) {
  channel<long> gate;
  std::atomic<bool> stop = false;
  std::vector<martlet::handle<>> all(static_cast<std::size_t>(many));
  const double light = weighs ? martlet::bench::resident_bytes() : 0;

  const stopwatch creating;
  for (auto& one : all) {
    one = martlet::spawn(live(gate, stop));
  }
  co_await wait_until_parked(gate, many);
  to.create_ns += creating.ns();
  const double bytes = weighs ? martlet::bench::resident_bytes() - light : 0;

  const stopwatch waking;
  for (long i = 0; i < many; ++i) {
    co_await gate.send(i);
  }
  co_await wait_until_parked(gate, many);
  to.wake_ns += waking.ns();

  gate.close();
  co_await martlet::yield();
  const auto before = pool.statistics().resumed;
  const stopwatch yielding;
  for (int i = 0; i < turns; ++i) {
    co_await martlet::yield();
  }
  to.yield_ns += yielding.ns();
  to.yields += static_cast<double>(pool.statistics().resumed - before);

  const stopwatch ending;
  stop = true;
  for (auto& one : all) {
    co_await one.join();
  }
  to.end_ns += ending.ns();
  co_return bytes;
}

}  // namespace

int main(int count, char** arguments) {
  const auto [workers, many] = martlet::bench::point_of(count, arguments);
  martlet::scheduler pool(workers);
  sums cold;  // the memory is not there yet: the first life takes longer, and tells how much it is
  const double bytes = pool.block_on(live_once(pool, many, cold, true));
  sums warm;
  const long passes = std::max(1L, lives / many);
  for (long i = 0; i < passes; ++i) {
    pool.block_on(live_once(pool, many, warm, false));
  }
  const auto measured = static_cast<double>(passes * many);
  martlet::bench::print_figure("create_ns", warm.create_ns / measured);
  martlet::bench::print_figure("wake_ns", warm.wake_ns / measured);
  martlet::bench::print_figure("yield_ns", warm.yield_ns / warm.yields);
  martlet::bench::print_figure("end_ns", warm.end_ns / measured);
  martlet::bench::print_figure("bytes", bytes / static_cast<double>(many));
}
