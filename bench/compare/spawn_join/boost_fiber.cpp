// One child after the other, each on a stack of 16 KiB and with a value that its parent waits for.
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] long twice(long value) {
  asm volatile("" : "+r"(value));
  return 2 * value;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report(count, arguments, children, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    fibers::fixedsize_stack stack(16 * 1024);
    long sum = 0;
    for (long i = 0; i < children; ++i) {
      long result = 0;
      fibers::fiber child(fibers::launch::dispatch, std::allocator_arg, stack, [&result, i] { result = twice(i); });
      child.join();
      sum += result;
    }
    return sum == children * (children - 1);
  });
}
