// A million tasklets that sleep until a moment of their own.
#include <chrono>
#include <optional>
#include <random>
#include <vector>

#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t many = 1'000'000;

martlet::task<> sleep_until(clock_type::time_point due, double& late_us) {
  co_await martlet::sleep_until(due);
  late_us = std::chrono::duration<double, std::micro>(clock_type::now() - due).count();
}

martlet::task<> sleep_all(std::vector<double>& late_us) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> microseconds(500'000, 1'499'999);
  const auto start = clock_type::now();
  std::vector<martlet::handle<>> all(many);
  for (std::size_t i = 0; i < many; ++i) {
    all[i] = martlet::spawn(sleep_until(start + std::chrono::microseconds(microseconds(random)), late_us[i]));
  }
  for (auto& one : all) {
    co_await one.join();
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<martlet::scheduler> pool;
  return report_figures(count, arguments, [&](asked what) -> std::vector<figure> {
    if (!pool) {
      pool.emplace(what.threads);
    }
    std::vector<double> late_us(many, -1);
    const double before = cpu_seconds();
    pool->block_on(sleep_all(late_us));
    const double cpu_ns = 1e9 * (cpu_seconds() - before) / many;
    if (quantile(late_us, 0) < 0) {
      return {};
    }
    return {{"cpu_ns", cpu_ns}, {"late_p50_us", quantile(late_us, 0.5)}, {"late_p99_us", quantile(late_us, 0.99)}};
  });
}
