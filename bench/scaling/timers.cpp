// So many tasklets on each worker that sleep again and again: the processor time of each sleep, and how late it ends.
#include <algorithm>
#include <chrono>
#include <random>
#include <span>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "point.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using martlet::channel;
using martlet::task;
using std::chrono::nanoseconds;

// At most 100,000 sleeps end in a second on each worker, so that it is the number of sleepers that grows, and not how
// busy the worker is; few sleepers cannot reach that, and pay for putting the worker itself to sleep and waking it.
constexpr nanoseconds shortest = std::chrono::milliseconds(5);
constexpr nanoseconds apart = std::chrono::microseconds(10);
constexpr nanoseconds whole = std::chrono::seconds(1);
constexpr long fewest = 4;  // sleeps of each

task<> sleep_often(channel<long>& gate, unsigned seed, nanoseconds mean, std::span<double> late_us) {
  std::minstd_rand random(seed);
  std::uniform_int_distribution<nanoseconds::rep> lengths(mean.count() / 2, mean.count() * 3 / 2);
  co_await gate.receive();
  for (double& late : late_us) {
    const auto due = clock_type::now() + nanoseconds(lengths(random));
    co_await martlet::sleep_until(due);
    late = std::chrono::duration<double, std::micro>(clock_type::now() - due).count();
  }
}

// Returns the seconds of processor time, from the moment when all are there to the end.
task<double> sleep_all(std::size_t sleepers, nanoseconds mean, std::span<double> late_us) {
  channel<long> gate;
  const std::size_t each = late_us.size() / sleepers;
  std::vector<martlet::handle<>> all(sleepers);
  for (std::size_t i = 0; i < sleepers; ++i) {
    all[i] = martlet::spawn(sleep_often(gate, static_cast<unsigned>(i + 1), mean, late_us.subspan(i * each, each)));
  }
  while (gate.balance() != -static_cast<std::ptrdiff_t>(sleepers)) {
    co_await martlet::yield();
  }
  const double before = martlet::bench::cpu_seconds();
  gate.close();
  for (auto& one : all) {
    co_await one.join();
  }
  co_return martlet::bench::cpu_seconds() - before;
}

}  // namespace

int main(int count, char** arguments) {
  using martlet::bench::print_figure;
  using martlet::bench::quantile;
  const auto [workers, of_a_worker] = martlet::bench::point_of(count, arguments);
  const nanoseconds mean = std::max(shortest, apart * of_a_worker);
  const long each = std::max(fewest, whole / mean);
  const auto sleepers = static_cast<std::size_t>(workers * of_a_worker);
  std::vector<double> late_us(sleepers * static_cast<std::size_t>(each), -1);
  martlet::scheduler pool(workers);
  const double cpu = pool.block_on(sleep_all(sleepers, mean, late_us));
  martlet::bench::require(quantile(late_us, 0) >= 0, "no sleep ended too early");
  print_figure("cpu_ns", 1e9 * cpu / static_cast<double>(late_us.size()));
  print_figure("late_p50_us", quantile(late_us, 0.5));
  print_figure("late_p99_us", quantile(late_us, 0.99));
}
