// Coroutines that sleep until a moment each, with a timer each.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <random>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr std::size_t timers = 1'000'000;

using moment = std::chrono::steady_clock::time_point;
using timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor_type>;

task<> sleep(moment due, double& late) {
  timer mine(co_await asio::this_coro::executor, due);
  co_await mine.async_wait(asio::deferred);
  late = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - due).count();
}

}  // namespace

int main(int count, char** arguments) {
  return report_figures(count, arguments, [](asked what) -> std::vector<figure> {
    asio::io_context context(what.threads);
    std::mt19937_64 random(1);
    std::uniform_int_distribution<long> within(0, 1'000'000'000);
    std::vector<double> late(timers, -1);
    const double before = cpu_seconds();
    const auto start = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    for (double& mine : late) {
      asio::co_spawn(context, sleep(start + std::chrono::nanoseconds(within(random)), mine), asio::detached);
    }
    run(context, what.threads);
    const double used = cpu_seconds() - before;
    if (*std::min_element(late.begin(), late.end()) < 0) {
      return {};
    }
    return {{"cpu_ns", 1e9 * used / static_cast<double>(timers)},
            {"late_p50_us", quantile(late, 0.5)},
            {"late_p99_us", quantile(late, 0.99)}};
  });
}
