// A value goes to another tasklet and comes back raised by one, through channels without a buffer.
#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long rounds = 1'000'000;

martlet::task<> answer(martlet::channel<long>& requests, martlet::channel<long>& replies) {
  while (auto value = co_await requests.receive()) {
    co_await replies.send(*value + 1);
  }
}

martlet::task<long> ask(martlet::channel<long>& requests, martlet::channel<long>& replies) {
  long value = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await requests.send(value);
    value = *co_await replies.receive();
  }
  requests.close();
  co_return value;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, rounds, [](asked what) {
    martlet::scheduler pool(what.threads);
    martlet::channel<long> requests;
    martlet::channel<long> replies;
    auto answering = pool.spawn(answer(requests, replies));
    const long last = pool.block_on(ask(requests, replies));
    pool.block_on(std::move(answering));
    return last == rounds;
  });
}
