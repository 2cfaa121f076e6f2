// Fibers, on stacks of 16 KiB and a tenth as many as others take, that wait for a value each from one channel.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr std::size_t tasks = 100'000;

using channel = fibers::unbuffered_channel<long>;

double since(std::chrono::steady_clock::time_point start) {
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return took.count() / static_cast<double>(tasks);
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  double bytes = 0;  // of the first pass, whose memory the second one uses again
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    const bool first = !workers;
    if (first) {
      workers.emplace(what.threads);
    }
    const double before = resident_bytes();
    const auto start = std::chrono::steady_clock::now();
    fibers::fixedsize_stack stack(16 * 1024);
    channel numbers;
    std::atomic<std::size_t> started = 0;
    std::atomic<long> sum = 0;
    const auto wait = [&] {
      ++started;
      sum += numbers.value_pop();
    };
    std::vector<fibers::fiber> all;
    for (std::size_t i = 0; i < tasks; ++i) {
      all.emplace_back(fibers::launch::dispatch, std::allocator_arg, stack, wait);
    }
    while (started != tasks) {
      boost::this_fiber::yield();
    }
    const double create = since(start);
    if (first) {
      bytes = (resident_bytes() - before) / static_cast<double>(tasks);
    }
    const auto woken = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < tasks; ++i) {
      numbers.push(static_cast<long>(i));
    }
    for (fibers::fiber& each : all) {
      each.join();
    }
    if (sum != static_cast<long>(tasks * (tasks - 1) / 2)) {
      return {};
    }
    return {{"bytes", bytes}, {"create_ns", create}, {"wake_ns", since(woken)}};
  });
}
