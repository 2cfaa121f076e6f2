// A million coroutines that wait for one number each.
#include <chrono>
#include <optional>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr std::size_t many = 1'000'000;

martlet::task<long> wait_for_one(martlet::channel<long>& in) { co_return *co_await in.receive(); }

martlet::task<> park(std::vector<martlet::handle<long>>& all, martlet::channel<long>& in) {
  for (auto& one : all) {
    one = martlet::spawn(wait_for_one(in));
  }
  while (in.balance() != -static_cast<std::ptrdiff_t>(many)) {
    co_await martlet::yield();
  }
}

martlet::task<long> wake(std::vector<martlet::handle<long>>& all, martlet::channel<long>& in) {
  for (std::size_t i = 0; i < many; ++i) {
    co_await in.send(static_cast<long>(i));
  }
  long sum = 0;
  for (auto& one : all) {
    sum += co_await one.join();
  }
  co_return sum;
}

}  // namespace

int main(int count, char** arguments) {
  using clock = std::chrono::steady_clock;
  std::optional<martlet::scheduler> pool;
  double bytes = 0;  // what the first pass took is used again by the second
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    if (!pool) {
      pool.emplace(what.threads);
    }
    std::vector<martlet::handle<long>> all(many);
    martlet::channel<long> in;
    const double before = resident_bytes();
    const auto start = clock::now();
    pool->block_on(park(all, in));
    const auto parked = clock::now();
    bytes = bytes != 0 ? bytes : (resident_bytes() - before) / many;
    const auto waking = clock::now();
    if (pool->block_on(wake(all, in)) != static_cast<long>(many * (many - 1) / 2)) {
      return {};
    }
    const auto each = [](clock::duration took) {
      return std::chrono::duration<double, std::nano>(took).count() / many;
    };
    return {{"bytes", bytes}, {"create_ns", each(parked - start)}, {"wake_ns", each(clock::now() - waking)}};
  });
}
