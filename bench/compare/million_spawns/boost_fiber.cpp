// A million children that do nothing, on stacks of 16 KiB; the last one tells their parent.
#include <atomic>
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"

namespace fibers = boost::fibers;

namespace {

constexpr long children = 1'000'000;

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  fibers::buffered_channel<bool> all_ended(2);
  return report(count, arguments, children, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    fibers::fixedsize_stack stack(16 * 1024);
    std::atomic<long> ended = 0;
    const auto nothing = [&ended, &all_ended] {
      if (++ended == children) {
        all_ended.push(true);
      }
    };
    for (long i = 0; i < children; ++i) {
      fibers::fiber(fibers::launch::dispatch, std::allocator_arg, stack, nothing).detach();
    }
    return all_ended.value_pop() && ended == children;
  });
}
