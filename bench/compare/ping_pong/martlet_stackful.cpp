// A value goes from a fiber to another one and comes back raised by one, through channels without a buffer.
#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long rounds = 1'000'000;

void answer(martlet::channel<long>& requests, martlet::channel<long>& replies) {
  while (auto value = martlet::await(requests.receive())) {
    martlet::await(replies.send(*value + 1));
  }
}

long ask(martlet::channel<long>& requests, martlet::channel<long>& replies) {
  long value = 0;
  for (long i = 0; i < rounds; ++i) {
    martlet::await(requests.send(value));
    value = *martlet::await(replies.receive());
  }
  requests.close();
  return value;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, rounds, [](asked what) {
    martlet::scheduler pool(what.threads);
    martlet::channel<long> requests;
    martlet::channel<long> replies;
    auto answering = pool.spawn([&] { answer(requests, replies); });
    const long last = pool.block_on(pool.spawn([&] { return ask(requests, replies); }));
    pool.block_on(std::move(answering));
    return last == rounds;
  });
}
