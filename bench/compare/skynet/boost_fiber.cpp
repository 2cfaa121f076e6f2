// A tree of fibers on stacks of 16 KiB, ten children each, down to a million leaves with a number each.
#include <array>
#include <cstddef>
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long leaves = 1'000'000;
constexpr std::size_t branches = 10;

long sum_of(long first, long size) {
  if (size == 1) {
    return first;
  }
  const long part = size / static_cast<long>(branches);
  fibers::fixedsize_stack stack(16 * 1024);
  std::array<long, branches> sums{};
  std::array<fibers::fiber, branches> children;
  for (std::size_t i = 0; i < branches; ++i) {
    children[i] = fibers::fiber(fibers::launch::dispatch, std::allocator_arg, stack, [&sum = sums[i], first, part, i] {
      sum = sum_of(first + static_cast<long>(i) * part, part);
    });
  }
  long sum = 0;
  for (std::size_t i = 0; i < branches; ++i) {
    children[i].join();
    sum += sums[i];
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report_ms(count, arguments, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    return sum_of(0, leaves) == leaves * (leaves - 1) / 2;
  });
}
