// Both kinds of tasklet in one channel: a coroutine adds up what a function sends.
#include <martlet/martlet.hpp>

martlet::task<int> sum(martlet::channel<int>& numbers) {  // stackless
  int total = 0;
  while (auto n = co_await numbers.receive()) {  // ends when the channel is closed and empty
    total += *n;
  }
  co_return total;
}

int main() {
  martlet::scheduler pool;  // one worker per core
  martlet::channel<int> numbers;
  auto total = pool.spawn(sum(numbers));  // a handle
  pool.spawn([&] {                        // stackful: an ordinary function that blocks
    for (int i = 0; i < 10; ++i) {
      martlet::await(numbers.send(i));
    }
    numbers.close();
  });
  return pool.block_on(std::move(total)) == 45 ? 0 : 1;
}
