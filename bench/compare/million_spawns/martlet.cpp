// A million children that do nothing, in one scope, which counts them.
#include <optional>

#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] martlet::task<> nothing() { co_return; }

martlet::task<> parent() {
  co_await martlet::in_scope([](martlet::scope& all) -> martlet::task<> {
    for (long i = 0; i < children; ++i) {
      all.spawn(nothing());
    }
    co_return;
  });
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<martlet::scheduler> pool;  // one for both passes, as a program has one
  return report(count, arguments, children, [&](asked what) {
    if (!pool) {
      pool.emplace(what.threads);
    }
    const auto before = pool->statistics().resumed;
    pool->block_on(parent());
    return pool->statistics().resumed - before > static_cast<std::uint64_t>(children);
  });
}
