// Fibers, on stacks of 16 KiB and a tenth as many as others take, that sleep until a moment each.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <random>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr std::size_t timers = 100'000;

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    using namespace std::chrono_literals;
    if (!workers) {
      workers.emplace(what.threads, true);
    }
    fibers::fixedsize_stack stack(16 * 1024);
    std::mt19937_64 random(1);
    std::uniform_int_distribution<long> within(0, 1'000'000'000);
    std::vector<double> late(timers);
    std::vector<fibers::fiber> all;
    const double before = cpu_seconds();
    const auto start = std::chrono::steady_clock::now() + 500ms;
    for (double& mine : late) {
      const auto due = start + std::chrono::nanoseconds(within(random));
      all.emplace_back(fibers::launch::dispatch, std::allocator_arg, stack, [due, &mine] {
        boost::this_fiber::sleep_until(due);
        mine = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - due).count();
      });
    }
    for (fibers::fiber& each : all) {
      each.join();
    }
    const double used = cpu_seconds() - before;
    if (*std::min_element(late.begin(), late.end()) < 0 || std::chrono::steady_clock::now() < start + 900ms) {
      return {};
    }
    return {{"cpu_ns", 1e9 * used / static_cast<double>(timers)},
            {"late_p50_us", quantile(late, 0.5)},
            {"late_p99_us", quantile(late, 0.99)}};
  });
}
