// A tree of coroutines, each with ten children in one array of handles.
#include <array>
#include <optional>

#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long leaves = 1'000'000;

martlet::task<long> node(long first, long size) {
  if (size == 1) {
    co_return first;
  }
  std::array<martlet::handle<long>, 10> children;
  const long part = size / 10;
  for (long i = 0; i < 10; ++i) {
    children[static_cast<std::size_t>(i)] = martlet::spawn(node(first + i * part, part));
  }
  long sum = 0;
  for (auto& child : children) {
    sum += co_await child.join();
  }
  co_return sum;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<martlet::scheduler> pool;
  return report_ms(count, arguments, [&](asked what) {
    if (!pool) {
      pool.emplace(what.threads);
    }
    return pool->block_on(node(0, leaves)) == leaves * (leaves - 1) / 2;
  });
}
