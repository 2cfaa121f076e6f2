// A value goes to another coroutine and comes back raised by one, through channels without a buffer.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include "../asio.hpp"
#include "../support.hpp"

namespace {

constexpr long rounds = 1'000'000;

template <class Channel>
task<> answer(Channel& requests, Channel& replies) {
  for (;;) {
    const auto [closed, value] = co_await requests.async_receive(asio::as_tuple(asio::deferred));
    if (closed) {
      co_return;
    }
    co_await replies.async_send(boost::system::error_code{}, value + 1, asio::deferred);
  }
}

template <class Channel>
task<long> ask(Channel& requests, Channel& replies) {
  long value = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await requests.async_send(boost::system::error_code{}, value, asio::deferred);
    value = co_await replies.async_receive(asio::deferred);
  }
  requests.close();
  co_return value;
}

template <class Channel>
bool ping_pong(asked what) {
  asio::io_context context(what.threads);
  Channel requests(context.get_executor());
  Channel replies(context.get_executor());
  asio::co_spawn(context, answer(requests, replies), asio::detached);
  auto last = asio::co_spawn(context, ask(requests, replies), asio::use_future);
  run(context, what.threads);
  return last.get() == rounds;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, rounds, [](asked what) {
    return what.threads == 1 ? ping_pong<for_one_thread>(what) : ping_pong<for_all>(what);
  });
}
