// A million fibers that do nothing, in one scope, which counts them.
#include <optional>

#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] void nothing() { asm volatile("" : : : "memory"); }

void parent() {
  martlet::scope all;
  for (long i = 0; i < children; ++i) {
    all.spawn(nothing);
  }
  all.join();
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<martlet::scheduler> pool;  // one for both passes, as a program has one
  return report(count, arguments, children, [&](asked what) {
    if (!pool) {
      pool.emplace(what.threads);
    }
    const auto before = pool->statistics().resumed;
    pool->block_on(pool->spawn(parent));
    return pool->statistics().resumed - before > static_cast<std::uint64_t>(children);
  });
}
