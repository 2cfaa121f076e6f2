// A coroutine calls another one and waits for its value.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long children = 5'000'000;

[[gnu::noinline]] task<long> twice(long value) { co_return 2 * value; }

task<long> parent() {
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    sum += co_await twice(i);
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
