// A value goes to a tasklet that stays on another worker and comes back raised by one, through channels without a buffer.
#include <atomic>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long rounds = 50'000;

// Holds on to its worker until the other one has another.
class meeting {
 public:
  void wait() {
    ++here_;
    while (here_ != 2) {}
  }

 private:
  std::atomic<int> here_{0};
};

martlet::task<> answer(meeting& both, martlet::channel<long>& requests, martlet::channel<long>& replies) {
  const martlet::pin stay;
  both.wait();
  while (auto value = co_await requests.receive()) {
    co_await replies.send(*value + 1);
  }
}

martlet::task<long> ask(meeting& both, martlet::channel<long>& requests, martlet::channel<long>& replies) {
  const martlet::pin stay;
  both.wait();
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
    meeting both;
    martlet::channel<long> requests;
    martlet::channel<long> replies;
    auto answering = pool.spawn(answer(both, requests, replies));
    const long last = pool.block_on(ask(both, requests, replies));
    pool.block_on(std::move(answering));
    return last == rounds;
  });
}
