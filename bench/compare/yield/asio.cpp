// Two coroutines that yield to each other.
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "../support.hpp"

namespace asio = boost::asio;

namespace {

constexpr long rounds = 2'000'000;  // of each

template <class T = void>
using task = asio::awaitable<T, asio::io_context::executor_type>;

task<long> turns() {
  long taken = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await asio::post(asio::deferred);
    ++taken;
  }
  co_return taken;
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
  return report(count, arguments, 2 * rounds, [](asked what) {
    asio::io_context context(what.threads);
    auto first = asio::co_spawn(context, turns(), asio::use_future);
    auto second = asio::co_spawn(context, turns(), asio::use_future);
    run(context, what.threads);
    return first.get() + second.get() == 2 * rounds;
  });
}
