// A hundred thousand fibers that wait for one number each.
#include <chrono>
#include <optional>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr std::size_t many = 100'000;

void park(std::vector<martlet::handle<long>>& all, martlet::channel<long>& in) {
  for (auto& one : all) {
    one = martlet::spawn([&in] { return *martlet::await(in.receive()); });
  }
  while (in.balance() != -static_cast<std::ptrdiff_t>(many)) {
    martlet::await(martlet::yield());
  }
}

long wake(std::vector<martlet::handle<long>>& all, martlet::channel<long>& in) {
  for (std::size_t i = 0; i < many; ++i) {
    martlet::await(in.send(static_cast<long>(i)));
  }
  long sum = 0;
  for (auto& one : all) {
    sum += martlet::await(one.join());
  }
  return sum;
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
    pool->block_on(pool->spawn([&] { park(all, in); }));
    const auto parked = clock::now();
    bytes = bytes != 0 ? bytes : (resident_bytes() - before) / many;
    const auto waking = clock::now();
    if (pool->block_on(pool->spawn([&] { return wake(all, in); })) != static_cast<long>(many * (many - 1) / 2)) {
      return {};
    }
    const auto each = [](clock::duration took) {
      return std::chrono::duration<double, std::nano>(took).count() / many;
    };
    return {{"bytes", bytes}, {"create_ns", each(parked - start)}, {"wake_ns", each(clock::now() - waking)}};
  });
}
