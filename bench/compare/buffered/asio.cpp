// Messages through one channel with 4,096 places, from one sender to one receiver.
#include <cstdio>
#include <cstdlib>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long messages = 1'000'000;

template <class Channel>
task<> send(Channel& to) {
  for (long i = 0; i < messages; ++i) {
    if (!to.try_send(boost::system::error_code{}, i)) {
      co_await to.async_send(boost::system::error_code{}, i, asio::deferred);
    }
  }
}

/// Counts the messages, as closing the channel would drop those that are in it.
template <class Channel>
task<long> receive(Channel& from) {
  long sum = 0;
  for (long i = 0; i < messages; ++i) {
    if (!from.try_receive([&sum](boost::system::error_code, long value) { sum += value; })) {
      sum += co_await from.async_receive(asio::deferred);
    }
  }
  co_return sum;
}

template <class Channel>
bool one_to_one(asked what) {
  asio::io_context context(what.threads);
  Channel between(context.get_executor(), 4096);
  asio::co_spawn(context, send(between), asio::detached);
  auto sum = asio::co_spawn(context, receive(between), asio::use_future);
  run(context, what.threads);
  return sum.get() == messages * (messages - 1) / 2;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, messages, [](asked what) {
    if (what.variant != "1x1") {
      std::fputs("only one sender and one receiver here\n", stderr);
      std::exit(3);
    }
    return what.threads == 1 ? one_to_one<for_one_thread>(what) : one_to_one<for_all>(what);
  });
}
