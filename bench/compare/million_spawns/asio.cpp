// A million children that do nothing; the last one tells their parent.
#include <atomic>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

using signal = asio::experimental::concurrent_channel<executor_type, void(boost::system::error_code)>;

[[gnu::noinline]] task<> nothing(std::atomic<long>& ended, signal& all_ended) {
  if (++ended == children) {
    all_ended.try_send(boost::system::error_code{});
  }
  co_return;
}

task<long> parent() {
  const auto executor = co_await asio::this_coro::executor;
  std::atomic<long> ended = 0;
  signal all_ended(executor, 1);
  for (long i = 0; i < children; ++i) {
    asio::co_spawn(executor, nothing(ended, all_ended), asio::detached);
  }
  co_await all_ended.async_receive(asio::deferred);
  co_return ended;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, children, [](asked what) {
    asio::io_context context(what.threads);
    auto ended = asio::co_spawn(context, parent(), asio::use_future);
    run(context, what.threads);
    return ended.get() == children;
  });
}
