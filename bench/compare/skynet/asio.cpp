// A tree of coroutines, ten children each, down to a million leaves; children send their sums to their parent.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long leaves = 1'000'000;
constexpr long branches = 10;

template <class Channel>
task<> node(Channel& results, long first, long size);

template <class Channel>
task<long> sum_of(long first, long size) {
  const auto executor = co_await asio::this_coro::executor;
  Channel sums(executor, branches);
  for (long i = 0; i < branches; ++i) {
    asio::co_spawn(executor, node(sums, first + i * size / branches, size / branches), asio::detached);
  }
  long sum = 0;
  for (long i = 0; i < branches; ++i) {
    sum += co_await sums.async_receive(asio::deferred);
  }
  co_return sum;
}

template <class Channel>
task<> node(Channel& results, long first, long size) {
  long sum = first;
  if (size > 1) {
    sum = co_await sum_of<Channel>(first, size);
  }
  results.try_send(boost::system::error_code{}, sum);
}

template <class Channel>
bool tree(asked what) {
  asio::io_context context(what.threads);
  auto sum = asio::co_spawn(context, sum_of<Channel>(0, leaves), asio::use_future);
  run(context, what.threads);
  return sum.get() == leaves * (leaves - 1) / 2;
}

}  // namespace

int main(int count, char** arguments) {
  return report_ms(count, arguments,
                   [](asked what) { return what.threads == 1 ? tree<for_one_thread>(what) : tree<for_all>(what); });
}
