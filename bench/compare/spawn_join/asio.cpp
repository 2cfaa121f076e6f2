// One child after the other, each spawned and with a value that its parent waits for.
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "../support.hpp"

namespace asio = boost::asio;

namespace {

constexpr long children = 1'000'000;

template <class T = void>
using task = asio::awaitable<T, asio::io_context::executor_type>;

[[gnu::noinline]] task<long> twice(long value) { co_return 2 * value; }

task<long> parent() {
  const auto executor = co_await asio::this_coro::executor;
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    sum += co_await asio::co_spawn(executor, twice(i), asio::use_awaitable_t<asio::io_context::executor_type>());
  }
  co_return sum;
}

/// Runs what there is to run on so many threads, this one among them, until nothing is left.
void run(asio::io_context& context, int threads) {
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) {
    others.emplace_back([&context] { context.run(); });
  }
  context.run();
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
