// One child after the other, each spawned and with a value that its parent waits for.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] task<long> twice(long value) { co_return 2 * value; }

task<long> parent() {
  const auto executor = co_await asio::this_coro::executor;
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    sum += co_await asio::co_spawn(executor, twice(i), asio::use_awaitable_t<executor_type>());
  }
  co_return sum;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, children, [](asked what) {
    asio::io_context context(what.threads);
    auto sum = asio::co_spawn(context, parent(), asio::use_future);
    run(context, what.threads);
    return sum.get() == children * (children - 1);
  });
}
