// Two coroutines that yield to each other.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long rounds = 2'000'000;  // of each

task<long> turns() {
  long taken = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await asio::post(asio::deferred);
    ++taken;
  }
  co_return taken;
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
